//! Which values the options of Herald accept. The components that parse them are not known here, so the caller of an
//! import hands in their checks.

/// The checks of Herald's components, as far as an import writes values for them.
pub trait ValueChecks {
    /// Checks the option `cron` of a trigger.
    ///
    /// # Errors
    /// Why it is not a valid schedule.
    fn schedule(&self, text: &str) -> Result<(), RejectedValue>;

    /// Checks the name of a time zone.
    ///
    /// # Errors
    /// Why it is not a valid time zone.
    fn time_zone(&self, name: &str) -> Result<(), RejectedValue>;

    /// Checks a network of addresses, such as `10.0.0.0/8`.
    ///
    /// # Errors
    /// Why it is not a valid network.
    fn network(&self, text: &str) -> Result<(), RejectedValue>;
}

/// Why Herald does not accept a value: one sentence, without a full stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RejectedValue(pub String);

/// Checks for the tests of this crate: enough to tell the values in them apart.
#[cfg(test)]
pub(crate) mod fake {
    use super::{RejectedValue, ValueChecks};

    pub(crate) struct FakeChecks;

    fn check(valid: bool) -> Result<(), RejectedValue> {
        if valid { Ok(()) } else { Err(RejectedValue("not valid".to_owned())) }
    }

    impl ValueChecks for FakeChecks {
        fn schedule(&self, text: &str) -> Result<(), RejectedValue> {
            check(!text.starts_with("99") && !text.starts_with("bad"))
        }

        fn time_zone(&self, name: &str) -> Result<(), RejectedValue> {
            check(["Europe/Berlin", "UTC"].contains(&name))
        }

        fn network(&self, text: &str) -> Result<(), RejectedValue> {
            let address = text.split('/').next().unwrap_or_default();
            check(address.parse::<std::net::IpAddr>().is_ok())
        }
    }
}
