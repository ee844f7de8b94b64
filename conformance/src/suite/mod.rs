//! The suite that every shell must pass: its program as a black box, between the scripted server and an engine.
//!
//! Each scenario covers a section of PROTOCOL.md, and is a process of its own (the [`runner`] starts it): whatever it
//! leaves when it fails is cleared away, and none sees what another one did to its process.

/// The scenarios of a module, each with its section of PROTOCOL.md.
macro_rules! scenarios {
    ($($section:literal: $name:ident),* $(,)?) => {
        pub(super) const ALL: &[$crate::suite::Scenario] =
            &[$($crate::suite::Scenario::new($section, module_path!(), stringify!($name), $name)),*];
    };
}

mod image;
pub mod runner;
mod scenarios;
mod self_updates;
mod sessions;
mod subject;
mod support;
mod updates;

pub use subject::{Choice, Subject};

/// One thing that an agent has to do, whichever shell it has.
#[derive(Clone, Copy)]
pub struct Scenario {
    section: &'static str,
    module: &'static str,
    name: &'static str,
    /// Panics if the agent does it otherwise.
    run: fn(),
}

impl Scenario {
    const fn new(section: &'static str, module: &'static str, name: &'static str, run: fn()) -> Self {
        Self { section, module, name, run }
    }

    /// The section of PROTOCOL.md that it covers.
    pub fn section(&self) -> &'static str {
        self.section
    }

    /// `events::a_life_is_told_in_order_and_once`
    pub fn name(&self) -> String {
        let module = self.module.rsplit("suite::").next().unwrap_or_default();
        format!("{}::{}", module.trim_start_matches("scenarios::"), self.name)
    }

    /// Runs it in this process, which runs nothing else. False: there is nothing in it for the engine that was chosen.
    ///
    /// # Panics
    /// If the agent does not do what it has to, what it did is not what its core does of what it was told, or something that is needed is missing and
    /// `DOCKMON_TEST_REQUIRE_ENGINE=1`.
    pub fn run(&self, subject: Subject) -> bool {
        let subject = subject::set(subject);
        (self.run)();
        subject.record.iter().for_each(|folder| sessions::replay_all(folder));
        subject.is_met()
    }
}

/// Every scenario, in groups of those that may run side by side on the same engine.
pub fn groups() -> [Vec<Scenario>; 3] {
    [scenarios::all(), updates::all(), self_updates::all()]
}

/// What an image has to do besides, see [`Subject::with_image`].
pub fn of_images() -> Vec<Scenario> {
    image::all()
}

/// The scenario of this name.
pub fn find(name: &str) -> Option<Scenario> {
    groups().into_iter().flatten().chain(of_images()).find(|scenario| scenario.name() == name)
}
