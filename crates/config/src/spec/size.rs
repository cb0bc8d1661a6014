//! Bounds of sizes.

use herald_base::unit;
use serde_json::Value;

use super::check_error::CheckError;

/// A size within bounds; that it is one is checked before.
pub(super) fn size_within(size: &Value, least: u64, most: u64) -> Result<(), CheckError> {
    let shown = |bytes: u64| match bytes {
        1 => "1 byte".to_owned(),
        bytes if bytes >= 1 << 20 && bytes % (1 << 20) == 0 => format!("{} MiB", bytes >> 20),
        bytes => format!("{bytes} bytes"),
    };
    match unit::size(size) {
        Ok(size) if size < least => Err(CheckError::new(format!("it must be at least {}", shown(least)))),
        Ok(size) if size > most => Err(CheckError::new(format!("it must be at most {}", shown(most)))),
        _ => Ok(()),
    }
}
