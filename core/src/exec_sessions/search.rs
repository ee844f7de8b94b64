//! Looking for the processes of closed sessions, for many of them at a time: a lost link ends all there are, and an exec
//! for each would keep an engine busy for a long time.
//!
//! Of the sessions that want a search of the same container, as the same user, one makes it for all.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use super::hang_up::{ExecState, create, in_words};
use super::words;
use crate::docker::{DockerError, DockerRequest};
use crate::ids::ContainerId;
use crate::input::DockerEvent;
use crate::run::Cx;

/// Searches under way at a time.
const SEARCHES_AT_ONCE: usize = 8;
/// How long one may take.
const SEARCH_WITHIN: Duration = Duration::from_secs(15);
/// How much one may say: it says nothing, unless it cannot be run.
const SEARCH_OUTPUT: usize = 4096;
/// How long a search waits for others that want the same.
const GATHER: Duration = Duration::from_millis(10);
/// How often those who wait for another's search look for its end.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Bytes of a mark, all hexadecimal digits: as many as the question marks of [`SCRIPT`].
pub(super) const MARK_BYTES: usize = 32;

/// The search, for the shells of Debian (dash), busybox and GNU alike. Its arguments are marks. It ends whoever has one
/// of them in their environment: by HUP, as the loss of a terminal does, and by KILL a second later. It ends by 0 when
/// nothing with a mark is left, by 1 when something is, and by 3 when some processes cannot be looked into.
///
/// `read` leaves out the NUL bytes between variables, which is why a mark has a fixed length. Only `sleep` is a program
/// of its own: without it there is no second of grace.
const SCRIPT: &str = r#"marks=" $* " own= found= hidden= i=0
exec 2>/dev/null
while read -r k v r; do [ "$k" = Uid: ] && own=$v; done </proc/self/status
each() {
  found=
  for d in /proc/[0-9]*; do
    p=${d#/proc/}
    [ "$p" = $$ ] && continue
    { while IFS= read -r l || [ -n "$l" ]; do
      case $l in *DOCKMON_SESSION=*)
        l=${l#*DOCKMON_SESSION=}
        l=${l%"${l#????????????????????????????????}"}
        case $marks in *" $l "*) found=1; kill -"$1" "$p" && kill -CONT "$p";; esac;;
      esac
    done <"$d/environ"; } || [ ! -d "$d" ] || hidden=1
  done
}
nap() { sleep 0.1 && return; i=10; sleep 1; }
each HUP
while [ -n "$found" ] && [ $i -lt 10 ]; do i=$((i+1)); nap; each 0; done
i=0
while [ -n "$found" ] && [ $i -lt 5 ]; do i=$((i+1)); each KILL; nap; each 0; done
[ -z "$found" ] || exit 1
[ -z "$hidden" ] || [ "$own" = 0 ] || exit 3
exit 0
"#;

/// What a search came to: its exit code, or why there was none.
type Found = Result<i64, String>;

/// A container, and the user that its search runs as; none is the container's own.
type Place = (String, Option<&'static str>);

/// The searches that are wanted and under way.
#[derive(Debug, Default)]
pub(super) struct Searches {
    under_way: usize,
    rounds: BTreeMap<Place, Round>,
}

#[derive(Debug, Default)]
struct Round {
    under_way: bool,
    /// Marks that are in no search yet.
    wanted: BTreeSet<String>,
    /// Marks that were searched for, until who wanted it has seen it.
    found: BTreeMap<String, Found>,
    /// Who waits, for either.
    waiting: BTreeSet<String>,
}

/// Ends whatever has this mark in the container, together with what others want there.
pub(super) async fn search(
    cx: &Cx,
    searches: &Rc<RefCell<Searches>>,
    container: &ContainerId,
    user: Option<&'static str>,
    mark: &str,
) -> Found {
    let place = (container.as_str().to_owned(), user);
    let waiting = Waiting::begin(searches, &place, mark);
    cx.sleep(GATHER).await;
    loop {
        if let Some(found) = waiting.found() {
            return found;
        }
        match Leading::begin(searches, &place) {
            Some(leading) => {
                let found = run(cx, container, user, &leading.marks).await;
                leading.end(&found);
            }
            None => cx.sleep(LOOK_AGAIN).await,
        }
    }
}

/// Somebody waits. Dropping it forgets them.
struct Waiting<'a> {
    searches: &'a RefCell<Searches>,
    place: &'a Place,
    mark: &'a str,
}

impl<'a> Waiting<'a> {
    fn begin(searches: &'a RefCell<Searches>, place: &'a Place, mark: &'a str) -> Self {
        let mut all = searches.borrow_mut();
        let round = all.rounds.entry(place.clone()).or_default();
        round.waiting.insert(mark.to_owned());
        round.wanted.insert(mark.to_owned());
        Self { searches, place, mark }
    }

    fn found(&self) -> Option<Found> {
        self.searches.borrow_mut().rounds.get_mut(self.place)?.found.remove(self.mark)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut all = self.searches.borrow_mut();
        let Some(round) = all.rounds.get_mut(self.place) else { return };
        round.waiting.remove(self.mark);
        round.wanted.remove(self.mark);
        round.found.remove(self.mark);
        if round.waiting.is_empty() {
            all.rounds.remove(self.place);
        }
    }
}

/// Somebody searches, for all who wait. Dropping it without an end leaves it to another one.
struct Leading<'a> {
    searches: &'a RefCell<Searches>,
    place: &'a Place,
    marks: BTreeSet<String>,
}

impl<'a> Leading<'a> {
    /// Takes the lead, if nobody has it and there is room for one more.
    fn begin(searches: &'a RefCell<Searches>, place: &'a Place) -> Option<Self> {
        let mut all = searches.borrow_mut();
        if all.under_way >= SEARCHES_AT_ONCE {
            return None;
        }
        let round = all.rounds.get_mut(place)?;
        if round.under_way || round.wanted.is_empty() {
            return None;
        }
        round.under_way = true;
        let marks = std::mem::take(&mut round.wanted);
        all.under_way += 1;
        Some(Self { searches, place, marks })
    }

    fn end(mut self, found: &Found) {
        let marks = std::mem::take(&mut self.marks);
        let mut all = self.searches.borrow_mut();
        if let Some(round) = all.rounds.get_mut(self.place) {
            for mark in marks.into_iter().filter(|mark| round.waiting.contains(mark)) {
                round.found.insert(mark, found.clone());
            }
        }
    }
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let mut all = self.searches.borrow_mut();
        all.under_way = all.under_way.saturating_sub(1);
        let Some(round) = all.rounds.get_mut(self.place) else { return };
        round.under_way = false;
        let left = std::mem::take(&mut self.marks).into_iter().filter(|mark| round.waiting.contains(mark));
        round.wanted.extend(left);
    }
}

/// Runs the search.
async fn run(cx: &Cx, container: &ContainerId, user: Option<&str>, marks: &BTreeSet<String>) -> Found {
    let command: Vec<&str> = ["sh", "-c", SCRIPT, "sh"].into_iter().chain(marks.iter().map(String::as_str)).collect();
    let exec = create(cx, container, &command, &[], false, user).await.map_err(in_words)?;
    let said = cx.within(SEARCH_WITHIN, listen(cx, &exec)).await;
    let said = said.ok_or_else(|| format!("no end within {} s", SEARCH_WITHIN.as_secs()))?;
    let said = said.map_err(in_words)?;
    let state = ExecState::when_over(cx, &exec).await.map_err(in_words)?;
    match state.exit_code {
        Some(code) if !said.is_empty() => {
            Err(words::of_no_program(Some(code), &said)
                .unwrap_or_else(|| String::from_utf8_lossy(&said).trim().to_owned()))
        }
        Some(code) => Ok(code),
        None => Err("it was not run to its end".to_owned()),
    }
}

/// Starts an exec and listens to its end.
async fn listen(cx: &Cx, exec: &str) -> Result<Vec<u8>, DockerError> {
    let stream = cx.stream(DockerRequest::ExecStart { id: exec.to_owned() }, None);
    let mut said = Vec::new();
    loop {
        match stream.next().await {
            DockerEvent::Opened => stream.grant(SEARCH_OUTPUT),
            DockerEvent::Bytes(bytes) => said.extend_from_slice(&bytes.0),
            DockerEvent::Item(_) | DockerEvent::Written { .. } => {}
            DockerEvent::Done(Ok(_)) => return Ok(said),
            DockerEvent::Done(Err(error)) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_as_long_as_the_script_says() {
        assert_eq!(SCRIPT.matches('?').count(), MARK_BYTES);
    }

    #[test]
    fn one_searches_for_all_and_another_goes_on_if_it_gives_up() {
        let searches = Rc::new(RefCell::new(Searches::default()));
        let place = ("web".to_owned(), None);
        let (a, b) = (Waiting::begin(&searches, &place, "a"), Waiting::begin(&searches, &place, "b"));
        let leading = Leading::begin(&searches, &place).unwrap();
        assert_eq!(leading.marks.len(), 2);
        assert!(Leading::begin(&searches, &place).is_none());
        let c = Waiting::begin(&searches, &place, "c");
        drop(leading);
        drop(b);
        let leading = Leading::begin(&searches, &place).unwrap();
        assert_eq!(leading.marks.iter().collect::<Vec<_>>(), ["a", "c"]);
        drop(c);
        leading.end(&Ok(0));
        assert_eq!((a.found(), a.found()), (Some(Ok(0)), None));
        assert!(Leading::begin(&searches, &place).is_none());
        drop(a);
        assert_eq!((searches.borrow().under_way, searches.borrow().rounds.len()), (0, 0));
    }

    #[test]
    fn there_are_not_too_many_at_a_time() {
        let searches = RefCell::new(Searches::default());
        let places: Vec<Place> = (0..=SEARCHES_AT_ONCE).map(|number| (number.to_string(), None)).collect();
        let waiting: Vec<_> = places.iter().map(|place| Waiting::begin(&searches, place, "m")).collect();
        let mut leading: Vec<_> = places.iter().map(|place| Leading::begin(&searches, place)).collect();
        assert!(leading.pop().unwrap().is_none());
        leading.truncate(1);
        assert!(Leading::begin(&searches, &places[SEARCHES_AT_ONCE]).is_some());
        drop((waiting, leading));
    }
}
