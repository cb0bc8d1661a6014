//! Where a policy lets files go: numbers in the place of names.

use herald_base::system::user::{GROUPS, USERS, id_in};
use herald_publish::{FileAttributes, PublishPolicy, PublishTarget};

use crate::options::PublishOptions;
use crate::publication::result::StepFailure;

/// The target of a policy. Blocks.
pub(crate) fn target(options: &PublishOptions, policy: &PublishPolicy) -> Result<PublishTarget, StepFailure> {
    let mut files = std::collections::BTreeMap::new();
    for (name, file) in &policy.files {
        files.insert(name.clone(), attributes(file.mode, file.owner.as_deref())?);
    }
    Ok(PublishTarget {
        deploy_path: policy.deploy_path.clone(),
        backup_dir: policy.backup_dir.clone(),
        roots: options.roots.clone(),
        nested: options.nested(),
        swap: policy.swap.unwrap_or_else(|| options.swap()),
        attributes: attributes(policy.mode, policy.owner.as_deref())?,
        files,
        backup: options.backup(),
        max_file: options.max_file,
        max_total: options.max_total,
    })
}

fn attributes(mode: Option<u32>, owner: Option<&str>) -> Result<FileAttributes, StepFailure> {
    let Some(owner) = owner else { return Ok(FileAttributes { mode, uid: None, gid: None }) };
    let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
    let uid = (!user.is_empty()).then(|| id(USERS, "user", user)).transpose()?;
    let gid = (!group.is_empty()).then(|| id(GROUPS, "group", group)).transpose()?;
    Ok(FileAttributes { mode, uid, gid })
}

fn id(file: &str, kind: &str, name: &str) -> Result<u32, StepFailure> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let found = name.parse().ok().or_else(|| id_in(&text, name));
    found.ok_or_else(|| {
        StepFailure::new(format!("policy: owner: there is no {kind} `{name}` on this machine"))
    })
}
