//! Following the engine's event stream, and catching up after every gap.

use std::collections::BTreeSet;
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::event::{Event, Subject};
use super::reconcile::{Seen, implied, untold};
use crate::backoff::Backoff;
use crate::details;
use crate::docker::views::elements;
use crate::docker::{DockerError, DockerRequest, EventKind};
use crate::engine;
use crate::hints;
use crate::ids::ContainerId;
use crate::input::DockerEvent;
use crate::outbox::Kind;
use crate::permissions;
use crate::run::{Cx, DockerStream};
use crate::wire;

/// Why a stream was ended from this side, in the words with which it is found broken.
pub(super) const MISSING: &str = "events are missing in its stream";
/// The first and the longest wait before the engine is asked again.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// How long the engine may take to open the stream, or to tell what it still has.
const OPEN_WITHIN: Duration = Duration::from_secs(30);
/// After inspects showed something untold: how long the live stream gets to tell it after all.
const SETTLE: Duration = Duration::from_millis(300);
/// How far in the future `until` lies for Podman.
const PODMAN_UNTIL: Duration = Duration::from_millis(200);
/// How many inspects are held in memory at a time.
pub(crate) const INSPECTS_AT_ONCE: usize = 32;
/// How often the containers are looked at where the event stream is not allowed.
const LOOK_EVERY: Duration = Duration::from_secs(10);
const KINDS: [EventKind; 2] = [EventKind::Container, EventKind::Image];

/// Follows the engine for as long as the agent lives: negotiates, opens the stream, catches up, tells; and again
/// whenever the stream breaks.
pub(crate) async fn follow(cx: Cx, saved_cursor: Option<String>) {
    let mut saved_cursor = saved_cursor;
    let mut backoff = Backoff::new(RETRY.0, RETRY.1);
    let mut said = None;
    loop {
        let error = match engine::learn(&cx).await {
            Ok(()) => {
                resume(&cx, &mut saved_cursor);
                backoff.succeeded();
                cx.shared.engine.borrow_mut().fared.answers(cx.now().mono);
                if said.take().is_some() {
                    info!("the engine answers again");
                }
                follow_once(&cx).await
            }
            Err(error) => error,
        };
        cx.shared.details.borrow_mut().all_changed();
        cx.shared.world.borrow_mut().live = false;
        if error.is_forbidden() {
            // That was told, and does not change by itself.
            cx.shared.engine.borrow_mut().fared.failed(cx.now().mono, &error, true);
            cx.sleep(permissions::RETRY).await;
            continue;
        }
        let again = say(&error, &mut said);
        cx.shared.engine.borrow_mut().fared.failed(cx.now().mono, &error, again);
        cx.back_off(&mut backoff).await;
    }
}

fn resume(cx: &Cx, saved_cursor: &mut Option<String>) {
    if let Some(cursor) = saved_cursor.take() {
        let engine = cx.shared.engine.borrow();
        let id = engine.facts.as_ref().map_or("", |facts| facts.id.as_str());
        if !cx.shared.world.borrow_mut().resume(&cursor, id) {
            info!("the event cursor on disk is not of this engine, or cannot be read: events are followed from now on");
        }
    }
}

/// The trouble, once for each kind of it, with what to do. True: it was said before.
fn say(error: &DockerError, said: &mut Option<String>) -> bool {
    if matches!(error, DockerError::Broken(why) if why == MISSING) {
        // Whoever ended the stream for it has said so.
        return false;
    }
    let text = error.to_string();
    if said.as_ref() == Some(&text) {
        debug!(%error, "the engine is still away");
        return true;
    }
    let hint = hints::for_engine(error);
    match error {
        DockerError::Unreachable { .. } | DockerError::Incompatible(_) => error!(%error, "{hint}"),
        _ => warn!(%error, "{hint}"),
    }
    *said = Some(text);
    false
}

/// Follows the events until that ends. Where the stream is not allowed, the containers are looked at instead.
async fn follow_once(cx: &Cx) -> DockerError {
    loop {
        let error = follow_stream(cx).await;
        cx.shared.world.borrow_mut().stream = None;
        if !is_about_events(&error) {
            return error;
        }
        if let Err(error) = look_again_and_again(cx).await {
            return error;
        }
    }
}

/// Whether it is the event stream that is not allowed.
fn is_about_events(error: &DockerError) -> bool {
    let events = DockerRequest::Events { since: None, until: None, kinds: Vec::new() };
    matches!(error, DockerError::Forbidden { call, .. } if *call == events.call().to_string())
}

/// Tells what the containers show, for a minute: then the event stream is tried again.
async fn look_again_and_again(cx: &Cx) -> Result<(), DockerError> {
    let until = cx.now().mono + permissions::RETRY;
    while cx.now().mono < until {
        let began = cx.now();
        cx.shared.world.borrow_mut().forget_reconstructed();
        let engine = look(cx).await?;
        let events = reconcile(cx, Vec::new(), Vec::new(), &engine);
        events.iter().for_each(|event| tell_if_new(cx, event));
        cx.shared.world.borrow_mut().caught_up(began.wall, true);
        // A thousand inspects take their time: they must not be all that the engine does.
        let took = cx.now().mono.since(began.mono);
        cx.sleep(LOOK_EVERY.max(took * 9)).await;
    }
    Ok(())
}

/// One stream, from its opening to its break.
async fn follow_stream(cx: &Cx) -> DockerError {
    let is_podman = cx.shared.engine.borrow().is_podman();
    // When Podman cuts its log of events (`events_logfile_max_size`, a megabyte), it ends a stream that was opened with
    // `since`; one without goes back to the beginning of what is left, before the agent's time.
    let since = cx.shared.world.borrow().since().or_else(|| is_podman.then(|| cx.now().wall));
    let request =
        DockerRequest::Events { since: since.map(crate::WallTime::engine_seconds), until: None, kinds: KINDS.to_vec() };
    let stream = cx.stream(request, None);
    cx.shared.world.borrow_mut().stream = Some(stream.op());
    match cx.within(OPEN_WITHIN, stream.next()).await {
        Some(DockerEvent::Opened) => cx.shared.world.borrow_mut().reopened = true,
        Some(DockerEvent::Done(Err(error))) => return error,
        Some(_) => return DockerError::Unreadable("the event stream began oddly".to_owned()),
        None => return DockerError::TimedOut { seconds: OPEN_WITHIN.as_secs() },
    }
    if let Err(error) = catch_up(cx, &stream).await {
        return error;
    }
    loop {
        match stream.next().await {
            DockerEvent::Item(item) => {
                if let Some(event) = Event::read(&item) {
                    tell_if_new(cx, &event);
                }
            }
            DockerEvent::Done(Err(error)) => return error,
            DockerEvent::Done(Ok(_)) => return DockerError::Broken("the engine ended the stream".to_owned()),
            DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. } => {}
        }
    }
}

/// Tells all that happened since the last event seen: what the engine still has, and what it does not have any more.
///
/// The live stream is open already and gathers what happens meanwhile.
async fn catch_up(cx: &Cx, stream: &DockerStream) -> Result<(), DockerError> {
    cx.shared.world.borrow_mut().forget_reconstructed();
    let backlog = backlog(cx).await?;
    let complete = {
        let mut world = cx.shared.world.borrow_mut();
        !std::mem::take(&mut world.doubted) && world.known && world.continues_in(&backlog)
    };
    let mut events: Vec<Event> = backlog;
    let mut compared = true;
    if !complete {
        match look(cx).await {
            Ok(engine) => {
                cx.sleep(SETTLE).await;
                events = reconcile(cx, events, ready(stream)?, &engine);
            }
            // Then what the stream brings is all there is.
            Err(error) if error.is_forbidden() => compared = false,
            Err(error) => return Err(error),
        }
    }
    events.iter().for_each(|event| tell_if_new(cx, event));
    cx.shared.world.borrow_mut().caught_up(cx.now().wall, compared);
    Ok(())
}

/// The events since the last one seen that the engine still has.
async fn backlog(cx: &Cx) -> Result<Vec<Event>, DockerError> {
    let Some(since) = cx.shared.world.borrow().since() else { return Ok(Vec::new()) };
    let now = cx.now().wall;
    // Podman gives nothing at all for an `until` that has passed.
    let until = if cx.shared.engine.borrow().is_podman() { now.later_by(PODMAN_UNTIL) } else { now };
    let request = DockerRequest::Events {
        since: Some(since.engine_seconds()),
        until: Some(until.engine_seconds()),
        kinds: KINDS.to_vec(),
    };
    let stream = cx.stream(request, Some(OPEN_WITHIN));
    let mut events = Vec::new();
    loop {
        match stream.next().await {
            DockerEvent::Item(item) => events.extend(Event::read(&item)),
            // The engine's clock may be behind: then it tells all it has, and waits for `until`.
            DockerEvent::Done(Ok(_) | Err(DockerError::TimedOut { .. })) => return Ok(events),
            DockerEvent::Done(Err(error)) => return Err(error),
            DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. } => {}
        }
    }
}

/// Looks at every container of the engine. One that is listed and cannot be inspected is as the list shows it.
async fn look(cx: &Cx) -> Result<Vec<Seen>, DockerError> {
    let list = cx.docker(DockerRequest::ContainerList).await?;
    let now = cx.now().wall;
    let listed: Vec<Seen> = list
        .as_deref()
        .map(elements)
        .unwrap_or_default()
        .into_iter()
        .map(|summary| Seen::from_list(summary, now))
        .filter(|seen| !seen.id.is_empty())
        .collect();
    drop(list);
    let ids: Vec<ContainerId> = listed.iter().map(|seen| ContainerId::new(seen.id.clone())).collect();
    let (mut engine, unseen) = look_at(cx, &ids).await?;
    engine.extend(listed.into_iter().filter(|seen| unseen.contains(&seen.id)));
    Ok(engine)
}

/// Looks at these containers. Those that are gone are left out; those that the engine would not show, for whatever
/// reason, are named: nobody may take them for gone.
pub(super) async fn look_at(cx: &Cx, ids: &[ContainerId]) -> Result<(Vec<Seen>, BTreeSet<String>), DockerError> {
    let (mut engine, mut unseen) = (Vec::with_capacity(ids.len()), BTreeSet::new());
    let mut allowed = true;
    for chunk in ids.chunks(INSPECTS_AT_ONCE) {
        if !allowed {
            unseen.extend(chunk.iter().map(|id| id.as_str().to_owned()));
            continue;
        }
        let asked = cx.shared.details.borrow().epoch();
        let requests = chunk.iter().map(|id| DockerRequest::ContainerInspect { id: id.clone() });
        for (id, answer) in chunk.iter().zip(cx.ask_all(requests).await) {
            match answer {
                Ok(Some(inspect)) => {
                    let details = details::Container::read(&inspect);
                    cx.shared.details.borrow_mut().keep_container(id.as_str(), asked, details);
                    engine.push(Seen::read(&inspect, cx.now().wall));
                }
                // Removed between the list and here: gone, as if it had not been listed.
                Err(error) if error.is_not_found() => {}
                Err(error) if error.is_connection() || error.is_version_refused() => return Err(error),
                Ok(None) => {
                    unseen.insert(id.as_str().to_owned());
                }
                Err(error) => {
                    debug!(%id, %error, "a container cannot be looked at");
                    allowed &= !error.is_forbidden();
                    unseen.insert(id.as_str().to_owned());
                }
            }
        }
    }
    Ok((engine, unseen))
}

/// What the live stream has brought already.
fn ready(stream: &DockerStream) -> Result<Vec<Event>, DockerError> {
    let mut events = Vec::new();
    while let Some(event) = stream.ready() {
        match event {
            DockerEvent::Item(item) => events.extend(Event::read(&item)),
            DockerEvent::Done(Err(error)) => return Err(error),
            DockerEvent::Done(Ok(_)) => return Err(DockerError::Broken("the engine ended the stream".to_owned())),
            DockerEvent::Opened | DockerEvent::Bytes(_) | DockerEvent::Written { .. } => {}
        }
    }
    Ok(events)
}

/// All events since the last one seen: what the engine still had, what came while it was looked at, and what none of
/// them explains, in its place.
fn reconcile(cx: &Cx, mut backlog: Vec<Event>, mut meanwhile: Vec<Event>, engine: &[Seen]) -> Vec<Event> {
    let mut world = cx.shared.world.borrow_mut();
    if !world.known {
        // The first look ever: what is there is where the agent begins.
        for seen in engine {
            world.set(&seen.id, seen.known());
        }
        backlog.append(&mut meanwhile);
        return backlog;
    }
    // Both streams may have brought the same.
    let mut brought = BTreeSet::new();
    for events in [&mut backlog, &mut meanwhile] {
        events.retain(|event| world.is_new(event) && brought.insert(event.identity()));
        events.sort_by_key(|event| event.time);
    }
    let untold = untold(&world.passed(&backlog, &meanwhile), engine, cx.now().wall);
    backlog.append(&mut meanwhile);
    backlog.sort_by_key(|event| event.time);
    let mut events = implied(&world.containers, &backlog, engine);
    let count = events.len() + untold.len();
    if count > 0 {
        warn!(count, "events were lost at the engine: told from what its containers show");
    }
    // The sort is stable: what is implied comes before what implies it.
    events.append(&mut backlog);
    events.extend(untold);
    events.sort_by_key(|event| event.time);
    events
}

pub(super) fn tell_if_new(cx: &Cx, event: &Event) {
    let new = {
        let mut world = cx.shared.world.borrow_mut();
        if world.frozen {
            return;
        }
        if event.reconstructed {
            world.take_reconstructed(event);
            true
        } else {
            world.take(event)
        }
    };
    let mut details = cx.shared.details.borrow_mut();
    match event.subject {
        Subject::Container if changes_details(&event.action) => details.container_changed(&event.id),
        Subject::Container => {}
        Subject::Image => details.images_changed(),
        Subject::Other => return,
    }
    if new && event.subject == Subject::Container {
        let frame = wire::event("container_event", &event.payload(), cx.now().wall);
        cx.shared.outbox.borrow_mut().push(Kind::Event, frame);
    }
}

/// Whether an inspect may show something else after this event. Those of execs and the like come often and change
/// nothing that the list shows.
fn changes_details(action: &str) -> bool {
    !["exec_", "health_status", "top", "attach", "detach", "resize", "archive-path", "export", "copy"]
        .iter()
        .any(|harmless| action.starts_with(harmless))
}
