//! The loop between the core and the world: inputs in, actions out.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use dockmon_core::docker::{ApiVersion, DockerRequest};
use dockmon_core::{Action, Agent, Config, Input, MonotonicTime, Now, OpId, Saved, WallTime};
use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;

use crate::disk::Disk;
use crate::files::Files;
use crate::host::Host;
use crate::net::Sockets;
use crate::probe::Probes;
use crate::program::Programs;
use crate::record::Recorded;
use crate::settings::Settings;
use crate::{Engine, Runtime, Way, host, program, seed, version};

/// So many inputs are handled before the actions that came of them are carried out, the timer is looked at and other
/// tasks have their turn.
const INPUTS_PER_TURN: usize = 64;

/// A timer further away than this is set for this long, and again when it has passed: runtimes add it to their clock.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What the driver needs of the core: [`dockmon_core`]'s agent, or one that a test scripts.
pub trait Core {
    /// Takes one thing that happened.
    fn handle_input(&mut self, now: Now, input: Input);

    /// The next thing to do, until there is none.
    fn poll_action(&mut self) -> Option<Action>;

    /// When to send [`Input::Timeout`], if nothing comes first.
    fn poll_timeout(&self) -> Option<MonotonicTime>;
}

/// What the driver needs of whatever carries out requests to the engine.
pub trait DockerExecutor {
    /// Starts a request, whose results come back as [`Input::Docker`].
    fn execute(&mut self, op: OpId, api: Option<ApiVersion>, request: DockerRequest);

    /// Grants bytes to be read of a stream that goes both ways; ops it does not know are passed over.
    fn read(&mut self, op: OpId, bytes: usize);

    /// Writes to a stream that goes both ways; ops it does not know are passed over.
    fn write(&mut self, op: OpId, bytes: Vec<u8>);

    /// Ends a request; ops it does not know are passed over.
    fn cancel(&mut self, op: OpId);
}

impl Core for Agent {
    fn handle_input(&mut self, now: Now, input: Input) {
        self.handle_input(now, input);
    }

    fn poll_action(&mut self) -> Option<Action> {
        self.poll_action()
    }

    fn poll_timeout(&self) -> Option<MonotonicTime> {
        self.poll_timeout()
    }
}

/// How an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The process is to end, with this code.
    Exit(u8),
    /// A new life is to begin in this process (PROTOCOL 9).
    Restart,
}

impl Ended {
    /// Begins the new life, and does not return then; else, or where that cannot be done, the process's exit code.
    pub fn go_on(self) -> u8 {
        match self {
            Self::Exit(code) => code,
            Self::Restart => program::restart(),
        }
    }
}

/// Runs the agent until it ends. When `stop` is done the core is told to shut down.
///
/// Everything happens on the calling task and those it spawns: the core need not be `Send`. Inputs wait in a queue
/// that is unbounded in itself; what fills it are socket tasks that stop after some messages each turn, engine streams
/// that are read by credit, and results of what the core asked for. All tasks share one thread with this loop, which
/// empties the queue at every turn.
pub async fn run<R: Runtime>(runtime: R, settings: Settings, stop: impl Future<Output = ()>) -> Ended {
    let folder = settings.record.clone();
    let core = move |config, saved, seed| Recorded::new(folder.as_deref(), config, saved, seed);
    drive(runtime, settings, stop, core, Engine::new).await
}

/// As [`run`], with another core and engine.
pub async fn drive<R: Runtime, C: Core, E: DockerExecutor>(
    runtime: R,
    settings: Settings,
    stop: impl Future<Output = ()>,
    core: impl FnOnce(Config, Saved, u64) -> C,
    engine: impl FnOnce(R, Way, UnboundedSender<Input>) -> E,
) -> Ended {
    tracing::info!(
        version = version::own(),
        commit = version::commit(),
        server = %settings.server,
        engine = %settings.engine,
        data = %settings.data_path.display(),
        "the agent starts"
    );
    if settings.engine.is_unverified() {
        tracing::warn!("the engine's certificate is not verified: set DOCKER_TLS_VERIFY=true");
    }
    for error in &settings.unreadable {
        tracing::warn!("{error}: going on without it; set its owner and mode right, or remove it");
    }
    let host = Host::find();
    if host.forgets(&settings.data_path) {
        tracing::warn!(
            "DATA_PATH={} is not on a volume: the agent's identity goes with this container, and it cannot be updated from \
             DockMon; add -v dockmon-agent-data:{0}",
            settings.data_path.display()
        );
    }
    let (inputs, received) = unbounded();
    let mut world = World {
        sockets: Sockets::new(runtime.clone(), &settings, inputs.clone()),
        probes: Probes::new(runtime.clone(), &settings, inputs.clone()),
        engine: engine(runtime.clone(), settings.engine.clone(), inputs.clone()),
        files: Files::new(&runtime, &inputs),
        programs: Programs::new(runtime.clone(), &settings, inputs.clone()),
        disk: Disk::new(&runtime, settings.data_path.clone(), inputs.clone()),
        host,
        inputs,
    };
    let config = Config { process: host::own_process(), ..settings.config(world.host.facts()) };
    let mut core = core(config, settings.saved, seed::from_system());
    let ended = turn(&runtime, &mut core, &mut world, received, pin!(stop)).await;
    world.disk.finish(&runtime).await;
    ended
}

/// Everything that carries out actions.
struct World<R: Runtime, E> {
    sockets: Sockets<R>,
    probes: Probes<R>,
    engine: E,
    disk: Disk,
    files: Files,
    programs: Programs<R>,
    host: Host,
    inputs: UnboundedSender<Input>,
}

impl<R: Runtime, E: DockerExecutor> World<R, E> {
    /// Carries out one action; how it all ended if that was the last one.
    fn execute(&mut self, action: Action) -> Option<Ended> {
        match action {
            Action::Connect { op, socket, bearer } => self.sockets.connect(op, socket, bearer),
            Action::SendFrame { op, frame } => self.sockets.send(op, frame),
            Action::Ping { op, number } => self.sockets.ping(op, number),
            Action::Close { op, code, reason } => self.sockets.close(op, code, reason),
            Action::Docker { op, api, request } => self.engine.execute(op, api, request),
            Action::Read { op, bytes } => self.engine.read(op, bytes),
            Action::Write { op, bytes } => self.engine.write(op, bytes.0),
            Action::Disk { op, request } => self.disk.execute(op, request),
            Action::Files { op, request } => self.files.execute(op, request),
            Action::SampleHost { op } => {
                // The kernel's files are in memory: reading them costs less than handing it to another thread.
                let sample = Box::new(self.host.sample());
                let _ = self.inputs.unbounded_send(Input::Host { op, sample });
            }
            Action::Probe { op, request } => self.probes.execute(op, *request),
            Action::Program { op, request } => self.programs.execute(op, request),
            Action::Cancel { op } => {
                // Ids are never used twice, so whoever does not know it passes it over.
                self.sockets.cancel(op);
                self.engine.cancel(op);
                self.files.cancel(op);
                self.probes.cancel(op);
                self.programs.cancel(op);
            }
            Action::Exit { code } => return Some(Ended::Exit(code)),
            Action::Restart => return Some(Ended::Restart),
        }
        None
    }
}

/// Why the loop went on.
enum Wake {
    Input(Input),
    Stop,
    Timer,
}

async fn turn<R: Runtime, E: DockerExecutor>(
    runtime: &R,
    core: &mut impl Core,
    world: &mut World<R, E>,
    mut received: UnboundedReceiver<Input>,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Ended {
    let clock = Clock::new();
    let mut stopping = false;
    // Set anew only when the core wants to be woken earlier: mostly it wants to be later, and then the old one rings
    // for nothing once. Re-setting a timer at every frame would cost more.
    let mut timer = pin!(None);
    let mut rings = None;
    // Whether there was something to do without waiting for it.
    let mut at_once = false;
    loop {
        while let Some(action) = core.poll_action() {
            if let Some(ended) = world.execute(action) {
                return ended;
            }
        }
        if let Some(due) = core.poll_timeout() {
            let now = clock.now();
            if due <= now.mono {
                // It is handled even if inputs never pause.
                core.handle_input(now, Input::Timeout);
                drain(core, &mut received, &clock);
                continue;
            }
            if rings.is_none_or(|rings| due < rings) {
                let delay = due.since(now.mono).min(LONGEST_SLEEP);
                timer.set(Some(runtime.sleep(delay)));
                rings = Some(now.mono + delay);
            }
        }
        if at_once {
            // Actions that are done at once can give inputs without end: sockets and timers must have their turn.
            others_turn().await;
        }
        at_once = true;
        let wake = poll_fn(|cx| {
            if !stopping && stop.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wake::Stop);
            }
            // The sender lives in `world`.
            if let Poll::Ready(Some(input)) = received.poll_next_unpin(cx) {
                return Poll::Ready(Wake::Input(input));
            }
            if let Some(timer) = timer.as_mut().as_pin_mut() {
                if timer.poll(cx).is_ready() {
                    return Poll::Ready(Wake::Timer);
                }
            }
            at_once = false;
            Poll::Pending
        })
        .await;
        match wake {
            Wake::Input(input) => {
                core.handle_input(clock.now(), input);
                drain(core, &mut received, &clock);
            }
            Wake::Stop => {
                stopping = true;
                core.handle_input(clock.now(), Input::Shutdown);
            }
            // Whether the core wants it is seen above.
            Wake::Timer => {
                timer.set(None);
                rings = None;
            }
        }
    }
}

/// Lets the runtime look after everything else once.
async fn others_turn() {
    let mut over = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Hands over what else has come, for one turn.
fn drain(core: &mut impl Core, received: &mut UnboundedReceiver<Input>, clock: &Clock) {
    for _ in 1..INPUTS_PER_TURN {
        match received.try_recv() {
            Ok(input) => core.handle_input(clock.now(), input),
            Err(_) => return,
        }
    }
}

/// The two clocks of the core.
struct Clock {
    start: Instant,
}

impl Clock {
    fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Monotonic time since the start of the loop, and the host's clock. Both fit for centuries.
    fn now(&self) -> Now {
        let mono = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { mono: MonotonicTime::from_nanos(mono), wall: wall_clock() }
    }
}

/// The host's clock.
pub(crate) fn wall_clock() -> WallTime {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    WallTime::from_nanos(i64::try_from(since_epoch.as_nanos()).unwrap_or(i64::MAX))
}
