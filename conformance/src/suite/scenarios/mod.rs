//! Everything but updates, against every engine there is.

use super::Scenario;

/// The modules, each with its scenarios, in the order in which they are run.
macro_rules! modules {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every scenario of them.
        pub(super) fn all() -> Vec<Scenario> {
            [$($name::ALL),*].concat()
        }
    };
}

// The slow ones first: the others have their time while those wait.
modules! {
    slow,
    shells_slow,
    links,
    ways,
    lives,
    refused,
    registration,
    disk,
    operations,
    own_container,
    fidelity,
    lists,
    prunes,
    events,
    statistics,
    health,
    shells,
    shells_ends,
    compose_files,
    gaps,
    restarts,
    engine_trouble,
    engine_tls,
    socket_proxy,
    policy,
    doctor,
    status,
    command_line,
}
