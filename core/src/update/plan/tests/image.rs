//! What comes from the image.

use super::*;

#[test]
fn what_the_image_gave_comes_from_the_new_one() {
    let config = json!({
        "Env": ["PATH=/bin", "MODE=user", "A=1"], "Labels": {"a": "image", "b": "user"}, "Cmd": ["serve"],
        "Entrypoint": ["/entry"], "WorkingDir": "/srv", "User": "app", "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "true"]}, "Shell": ["/bin/sh"], "ExposedPorts": {"80/tcp": {}, "81/tcp": {}},
        "Volumes": {"/data": {}, "/mine": {}}, "Tty": true,
    });
    let image = json!({
        "Env": ["PATH=/bin", "MODE=image"], "Labels": {"a": "image"}, "Cmd": ["serve"], "Entrypoint": ["/entry"],
        "WorkingDir": "/srv", "User": "app", "StopSignal": "SIGINT", "Healthcheck": {"Test": ["CMD", "true"]},
        "Shell": ["/bin/sh"], "ExposedPorts": {"80/tcp": {}}, "Volumes": {"/data": {}},
    });
    assert_eq!(
        Case::new(config, json!({})).image(image).body(),
        json!({
            "Env": ["MODE=user", "A=1"], "Labels": {"b": "user"}, "ExposedPorts": {"81/tcp": {}},
            "Volumes": {"/mine": {}}, "Tty": true, "Image": "shop/web:2", "HostConfig": {},
        })
    );
}

#[test]
fn a_command_belongs_to_its_entry_point() {
    let body = |entrypoint: Value, command: Value, of_image: Value| {
        let body = Case::new(json!({"Entrypoint": entrypoint, "Cmd": command}), json!({})).image(of_image).body();
        (body.get("Entrypoint").cloned(), body.get("Cmd").cloned())
    };
    let image = || json!({"Entrypoint": ["/e"], "Cmd": ["c"]});
    assert_eq!(body(json!(["/e"]), json!(["c"]), image()), (None, None));
    assert_eq!(body(json!(["/e"]), json!(["mine"]), image()), (None, Some(json!(["mine"]))));
    assert_eq!(body(json!(["/mine"]), json!(["c"]), image()), (Some(json!(["/mine"])), Some(json!(["c"]))));
    assert_eq!(
        body(json!(["/e"]), Value::Null, image()),
        (Some(json!(["/e"])), Some(Value::Null)),
        "the user has named the image's own entry point, so the image's command does not count"
    );
    assert_eq!(body(json!([]), json!(["c"]), json!({"Cmd": ["c"]})), (None, None), "none is none");
}

#[test]
fn without_the_old_image_all_is_the_users() {
    let config = json!({"Env": ["A=1"], "Cmd": ["c"], "New": {"Deep": 18446744073709551616_f64}});
    let body = Case::new(config.clone(), json!({})).body();
    for (field, value) in config.as_object().unwrap() {
        assert_eq!(body[field], *value, "{field}");
    }
}

#[test]
fn composes_label_names_the_new_image() {
    let label = "com.docker.compose.image";
    let case = Case::new(json!({"Labels": {label: "sha256:old", "x": "1"}}), json!({})).image(json!({}));
    assert_eq!(case.body()["Labels"], json!({label: "sha256:new", "x": "1"}));
}

#[test]
fn a_port_that_is_published_stays_exposed() {
    // Docker publishes only what is exposed (tried): the new image need not expose it.
    let config = json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "81/tcp": {}}});
    let host = json!({"PortBindings": {"80": [{"HostPort": "8080"}], "53/udp": null}});
    let image = json!({"ExposedPorts": {"80/tcp": {}, "53/udp": {}, "81/tcp": {}}});
    assert_eq!(Case::new(config, host).image(image).body()["ExposedPorts"], json!({"80/tcp": {}, "53/udp": {}}));
}

#[test]
fn an_entry_point_that_the_user_took_away_stays_away() {
    let body = |entrypoint: Value, of_image: Option<Value>| {
        let case = Case::new(json!({"Entrypoint": entrypoint, "Cmd": ["c"]}), json!({}));
        let case = if let Some(image) = of_image { case.image(image) } else { case };
        case.body().get("Entrypoint").cloned()
    };
    let image = || Some(json!({"Entrypoint": ["/e"], "Cmd": ["c"]}));
    assert_eq!(body(Value::Null, image()), Some(json!([])), "null would mean the new image's");
    assert_eq!(body(json!([]), image()), Some(json!([])));
    assert_eq!(body(Value::Null, Some(json!({"Cmd": ["c"]}))), None, "the old image had none");
    assert_eq!(body(Value::Null, None), Some(json!([])), "nothing is the image's");
}

#[test]
fn a_health_check_with_the_images_test_is_changed_field_by_field() {
    let body = |check: Value| {
        let image = json!({"Healthcheck": {"Test": ["CMD", "old"], "Interval": 7, "Retries": 5}});
        Case::new(json!({"Healthcheck": check}), json!({})).image(image).body().get("Healthcheck").cloned()
    };
    assert_eq!(body(json!({"Test": ["CMD", "old"], "Interval": 7, "Retries": 5})), None);
    assert_eq!(body(json!({"Test": ["CMD", "old"], "Interval": 9, "Retries": 5})), Some(json!({"Interval": 9})));
    let own = json!({"Test": ["CMD", "mine"], "Interval": 7, "Retries": 5});
    assert_eq!(body(own.clone()), Some(own), "a check of the user's own stays whole");
    assert_eq!(body(json!({"Test": ["NONE"]})), Some(json!({"Test": ["NONE"]})));
}

#[test]
fn what_cannot_be_held_is_not_taken_for_nothing() {
    let old = r#"{"Id":"x","Config":{"Healthcheck":{"Interval":1e999},"User":"u"},"HostConfig":{}}"#;
    let image = raw(&json!({"Config": {"User": "u"}}));
    let body = text_of(old, Some(&image), false);
    assert!(body.contains(r#""Healthcheck":{"Interval":1e999}"#) && !body.contains("User"), "{body}");
}
