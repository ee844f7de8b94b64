//! A `DATA_PATH` that cannot be written, and files in it that are no good.

use crate::engine::EngineOptions;
use crate::server::{DEFAULT_TOKEN, RegistrationToken, ServerOptions};
use crate::suite::support::agent::eventually;
use crate::suite::support::engines::Engine;
use crate::suite::support::stage::Stage;

scenarios! {
    "2": a_data_path_that_cannot_be_written,
    "2": a_token_that_may_be_null,
    "12": files_that_are_no_good_are_named_and_do_no_harm,
}

/// Root writes through every mode, so a file stands where the folder should be.
fn a_data_path_that_cannot_be_written() {
    let engine = Engine::simulated(EngineOptions::podman());
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    std::fs::write(&data, "in the way").unwrap();
    let options = ServerOptions::default().tokens([RegistrationToken::single(DEFAULT_TOKEN)]);
    let stage = Stage::begun(&engine, options, |setup| setup.data(&data));
    stage.wait_registered();
    let path = data.display().to_string();
    let kept = ["ERROR", "the permanent token cannot be kept", "Mount a writable volume at", &path];
    stage.agent.wait_log(&kept);
    stage.agent.wait_log(&["ERROR", "cannot keep the engine id", &path]);
    // It goes on with the token in its memory, and says so at every connection.
    stage.settle_log();
    let still = ["ERROR", "permanent token is still not on disk"];
    stage.server.cut();
    stage.wait_registrations(2);
    assert!(stage.server.registrations()[1].permanent);
    stage.settle_log();
    assert_eq!(stage.agent.count_log(&still), 1);
    // The volume is mounted: the next registration keeps it.
    std::fs::remove_file(&data).unwrap();
    let token = stage.server.registrations()[0].host.agent_id.clone();
    stage.server.cut();
    stage.wait_registrations(3);
    stage.settle_log();
    assert_eq!(std::fs::read_to_string(data.join("permanent_token")).unwrap().trim(), token);
    let said = stage.agent.count_log(&still);
    stage.server.cut();
    stage.wait_registrations(4);
    stage.settle_log();
    assert_eq!(stage.agent.count_log(&still), said);
    assert_eq!(stage.server.violations(), [""; 0]);
}

fn a_token_that_may_be_null() {
    let engine = Engine::simulated(EngineOptions::docker26());
    let stage = Stage::begun(&engine, ServerOptions::default(), |setup| setup);
    stage.wait_registered();
    stage.server.null_permanent_token(true);
    eventually("the token", || stage.agent.data().join("permanent_token").exists().then_some(()));
    stage.server.cut();
    stage.wait_registrations(2);
    assert!(stage.server.registrations()[1].permanent, "null takes nothing away");
    stage.check();
}

fn files_that_are_no_good_are_named_and_do_no_harm() {
    let engine = Engine::simulated(EngineOptions::podman());
    let mut stage = Stage::followed(&engine);
    let data = stage.agent.data().to_owned();
    let id = stage.server.registrations()[0].message["engine_id"].clone();
    stage.agent = stage.agent.replaced(|| std::fs::write(data.join("cursor.json"), "{\"version\":1,").unwrap());
    stage.wait_registrations(2);
    stage.agent.wait_log(&["cursor on disk", "cannot be read"]);
    stage.agent = stage.agent.replaced(|| {
        std::fs::remove_file(data.join("cursor.json")).unwrap();
        std::fs::create_dir(data.join("cursor.json")).unwrap();
    });
    stage.wait_registrations(3);
    stage.agent.wait_log(&["WARN", "cursor.json", "going on without it"]);
    assert_eq!(stage.server.registrations()[2].message["engine_id"], id);
    // Without its file the id is made again from the machine and the storage: the same one.
    stage.agent = stage.agent.replaced(|| std::fs::remove_file(data.join("engine_id")).unwrap());
    stage.wait_registrations(4);
    assert_eq!(stage.server.registrations()[3].message["engine_id"], id);
    stage.check();
}
