//! Where the configuration is when nobody names a file.

use std::path::{Path, PathBuf};

/// There is no configuration file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoConfigFile {
    /// `$HERALD_CONFIG` names one that is missing.
    #[error("heraldd: the configuration file {} does not exist (HERALD_CONFIG)", .0.display())]
    Named(PathBuf),
    /// None of the default places has one.
    #[error(
        "heraldd: no configuration file: name one with -c FILE, or put it at one of {}; `heraldd init` writes one to begin \
         with",
        .0.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(", ")
    )]
    Nowhere(Vec<PathBuf>),
}

/// This file, or the default one.
///
/// # Errors
/// [`NoConfigFile`].
pub fn or_default(given: Option<PathBuf>) -> Result<PathBuf, NoConfigFile> {
    match given {
        Some(given) => Ok(given),
        None => {
            let set =
                |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
            let home = set("XDG_CONFIG_HOME").filter(|path| path.is_absolute());
            let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".config")));
            find(set("HERALD_CONFIG"), home, &|path| path.exists())
        }
    }
}

fn find(
    named: Option<PathBuf>,
    config_home: Option<PathBuf>,
    exists: &dyn Fn(&Path) -> bool,
) -> Result<PathBuf, NoConfigFile> {
    if let Some(named) = named {
        return if exists(&named) { Ok(named) } else { Err(NoConfigFile::Named(named)) };
    }
    let of_user = config_home.map(|home| home.join("heraldd/config.yml"));
    let places: Vec<PathBuf> =
        [Some("./heraldd.yml".into()), of_user, Some("/etc/heraldd/config.yml".into())]
            .into_iter()
            .flatten()
            .collect();
    let found = places.iter().find(|place| exists(place)).cloned();
    found.ok_or(NoConfigFile::Nowhere(places))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_has_one() {
        let at = |there: &[&str], named: Option<&str>| {
            let exists = |path: &Path| there.iter().any(|there| Path::new(there) == path);
            find(named.map(PathBuf::from), Some("/home/u/.config".into()), &exists)
        };
        let (own, of_user, system) =
            ("./heraldd.yml", "/home/u/.config/heraldd/config.yml", "/etc/heraldd/config.yml");
        for (there, named, expected) in [
            (&[own, of_user, system, "/x"][..], Some("/x"), Some("/x")),
            (&[own, of_user, system], None, Some(own)),
            (&[of_user, system], None, Some(of_user)),
            (&[system], None, Some(system)),
            (&[], None, None),
            (&[own], Some("/missing"), None),
        ] {
            assert_eq!(at(there, named).ok(), expected.map(PathBuf::from));
        }
        let said = at(&[], None).unwrap_err().to_string();
        assert!(said.contains(of_user) && said.contains("-c FILE"), "{said}");
    }
}
