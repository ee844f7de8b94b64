//! Containers that share the namespaces of another one (PROTOCOL 8, rule 4).

use serde_json::value::RawValue;

use super::engine::{Seen, find};
use super::plan;
use crate::docker::views::{ContainerSummary, elements, read};
use crate::docker::{DockerError, DockerRequest};
use crate::ids::{self, ContainerId};
use crate::run::Cx;

/// How many are inspected at a time.
const AT_A_TIME: usize = 16;

/// One that shares namespaces.
pub(super) struct Sharer {
    pub(super) seen: Seen,
    pub(super) inspect: Box<RawValue>,
    /// Whose.
    shares: Vec<String>,
}

impl Sharer {
    fn shares_with(&self, other: &Seen) -> bool {
        self.shares.iter().any(|reference| ids::is_reference_to(reference, &other.id, &other.name))
    }
}

/// All that share the namespaces of this one, and those that share theirs: each behind those it needs.
pub(super) async fn of(cx: &Cx, target: &Seen) -> Result<Vec<Sharer>, DockerError> {
    let mut others = sharers(cx).await?;
    others.retain(|other| other.seen.id != target.id);
    Ok(closure(others, target))
}

/// Every container that shares namespaces of any other one.
async fn sharers(cx: &Cx) -> Result<Vec<Sharer>, DockerError> {
    let list = cx.docker(DockerRequest::ContainerList).await?;
    let listed = list.as_deref().map(elements).unwrap_or_default();
    let ids: Vec<String> = listed.into_iter().map(|summary| read::<ContainerSummary<'_>>(summary).id.0).collect();
    let mut found = Vec::new();
    for some in ids.chunks(AT_A_TIME) {
        let requests = some.iter().map(|id| DockerRequest::ContainerInspect { id: ContainerId::new(id.clone()) });
        for (id, answer) in some.iter().zip(cx.ask_all(requests).await) {
            let inspect = match answer {
                Ok(Some(inspect)) => inspect,
                Err(error) if error.is_connection() => return Err(error),
                // It is changing at this moment, or has gone.
                _ => match find(cx, id).await? {
                    Some((_, inspect)) => inspect,
                    None => continue,
                },
            };
            let shares = plan::shares(&inspect);
            if !shares.is_empty() {
                found.push(Sharer { seen: Seen::read(&inspect), inspect, shares });
            }
        }
    }
    Ok(found)
}

fn closure(mut others: Vec<Sharer>, target: &Seen) -> Vec<Sharer> {
    let mut all: Vec<Sharer> = Vec::new();
    // Who is affected at all.
    loop {
        let affected = |other: &Sharer| other.shares_with(target) || all.iter().any(|one| other.shares_with(&one.seen));
        let (more, rest): (Vec<Sharer>, Vec<Sharer>) = others.into_iter().partition(|other| affected(other));
        others = rest;
        if more.is_empty() {
            break;
        }
        all.extend(more);
    }
    // Then those first that need none of the others. What is left of a circle comes as it is.
    let mut ordered: Vec<Sharer> = Vec::with_capacity(all.len());
    while !all.is_empty() {
        let free = |one: &Sharer| !all.iter().any(|other| other.seen.id != one.seen.id && one.shares_with(&other.seen));
        let place = all.iter().position(free).unwrap_or(0);
        ordered.push(all.remove(place));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharer(id: &str, name: &str, shares: &[&str]) -> Sharer {
        let seen = Seen { id: id.into(), name: name.into(), ..Seen::default() };
        let inspect = RawValue::from_string("{}".into()).unwrap();
        Sharer { seen, inspect, shares: shares.iter().map(|share| (*share).to_owned()).collect() }
    }

    fn names(others: Vec<Sharer>) -> Vec<String> {
        let target = Seen { id: "aaaaaaaaaaaa0000".into(), name: "app".into(), ..Seen::default() };
        closure(others, &target).into_iter().map(|one| one.seen.name).collect()
    }

    #[test]
    fn by_name_by_id_and_through_others() {
        let others = vec![
            sharer("dddddddddddd0000", "late", &["bbbbbbbbbbbb0000", "app"]),
            sharer("cccccccccccc0000", "other", &["eeeeeeeeeeee0000"]),
            sharer("bbbbbbbbbbbb0000", "early", &["aaaaaaaaaaaa"]),
            sharer("ffffffffffff0000", "deep", &["late"]),
        ];
        assert_eq!(names(others), ["early", "late", "deep"]);
    }

    #[test]
    fn a_circle_has_an_end() {
        let others =
            vec![sharer("b".repeat(16).as_str(), "b", &["app", "c"]), sharer("c".repeat(16).as_str(), "c", &["b"])];
        assert_eq!(names(others).len(), 2);
    }
}
