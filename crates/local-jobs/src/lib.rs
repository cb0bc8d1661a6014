//! Programs on this machine, as jobs and as selectors: the parameters of jobs that run one, here or on a runner, and
//! [`AskedProgram`], which does the work of the selector `external`; it is not a component itself.

mod asked_program;
mod job_params;
mod no_effect;

pub use asked_program::{AskedProgram, is_env_name};
pub use job_params::{job_params, refusal, together};
