//! The page of heraldd: turns what the control API returns into HTML, with its style and scripts; and what is to be
//! checked of a browser's request. Pure functions: nothing here listens, waits or acts.
//!
//! [`screens`] has a function for each screen; [`request`] is about requests; [`site`] is where the page is.

pub mod assets;
pub mod browser_name;
pub mod elements;
pub mod frame;
pub mod line_chart;
pub mod log_text;
pub mod login_links;
pub mod request;
pub mod screens;
pub mod site;
