//! What of a remote is fetched for a revision.

use git2::{ErrorCode, ObjectType, Oid, Repository};

use super::mirror_error::MirrorError;
use super::source::{FULL, Revision};

/// A reference that the remote lists.
pub(super) struct RemoteRef {
    name: String,
    id: Oid,
    points_to: Option<String>,
}

/// What to fetch, and what the job then runs.
pub(super) struct FetchPlan {
    pub(super) refs: Vec<(String, Oid)>,
    pub(super) wanted: Option<Oid>,
}

pub(super) fn heads(list: &[git2::RemoteHead<'_>]) -> Vec<RemoteRef> {
    list.iter()
        .map(|head| RemoteRef {
            name: head.name().to_owned(),
            id: head.oid(),
            points_to: head.symref_target().map(str::to_owned),
        })
        .collect()
}

pub(super) fn plan(
    heads: &[RemoteRef],
    revision: &Revision,
    repo: &Repository,
) -> Result<FetchPlan, MirrorError> {
    let named = |name: &str| heads.iter().find(|head| head.name == name);
    let one =
        |head: &RemoteRef| FetchPlan { refs: vec![(head.name.clone(), head.id)], wanted: Some(head.id) };
    match revision {
        Revision::Default => {
            let head = named("HEAD").ok_or_else(|| not_there(revision))?;
            let branch = head.points_to.as_deref().and_then(named);
            Ok(one(branch.unwrap_or(head)))
        }
        Revision::Name(name) => {
            // Compared with what the remote lists, never handed to anything that could take it for an option.
            let full = [format!("refs/heads/{name}"), format!("refs/tags/{name}")];
            let found =
                if name.starts_with("refs/") { named(name) } else { full.iter().find_map(|n| named(n)) };
            Ok(one(found.ok_or_else(|| not_there(revision))?))
        }
        Revision::Commit(commit) => {
            let tip = heads.iter().find(|head| head.id.to_string() == *commit && !head.name.ends_with("^{}"));
            if let Some(tip) = tip {
                return Ok(one(tip));
            }
            if let Some(id) = find(repo, commit)? {
                return Ok(FetchPlan { refs: Vec::new(), wanted: Some(id) });
            }
            let all = heads
                .iter()
                .filter(|head| head.name.starts_with("refs/heads/") || head.name.starts_with("refs/tags/"))
                .filter(|head| !head.name.ends_with("^{}"));
            Ok(FetchPlan { refs: all.map(|head| (head.name.clone(), head.id)).collect(), wanted: None })
        }
    }
}

pub(super) fn not_there(revision: &Revision) -> MirrorError {
    MirrorError::Reason(match revision {
        Revision::Default => "the repository is empty or has no default branch: set git_branch".to_owned(),
        Revision::Name(name) => format!("the repository has neither a branch nor a tag `{name}`"),
        Revision::Commit(commit) => {
            format!("no branch or tag of the repository contains the commit {commit}")
        }
    })
}

pub(super) fn find(repo: &Repository, commit: &str) -> Result<Option<Oid>, MirrorError> {
    if commit.len() > FULL {
        return Err(MirrorError::Reason("repositories with SHA-256 names are not supported".to_owned()));
    }
    let found = if commit.len() == FULL {
        repo.find_object(Oid::from_str(commit)?, None)
    } else {
        repo.find_object_by_prefix(commit, Some(ObjectType::Commit))
    };
    match found {
        Ok(object) => commit_of(repo, object.id()),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) if error.code() == ErrorCode::Ambiguous => {
            Err(MirrorError::Reason(format!("more than one commit begins with {commit}: give it in full")))
        }
        Err(error) => Err(error.into()),
    }
}

/// The commit itself, or the one that a tag points to.
pub(super) fn commit_of(repo: &Repository, id: Oid) -> Result<Option<Oid>, MirrorError> {
    let object = repo.find_object(id, None)?;
    Ok(object.peel_to_commit().ok().map(|commit| commit.id()))
}
