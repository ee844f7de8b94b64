//! All rules at once, on inspects that nobody has thought of.

use super::*;
use proptest::prelude::*;

/// Any JSON, a few levels deep, with figures that fit no type of ours.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z:/=.]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[A-Za-z]{1,6}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// What a container and its image often have in common.
fn usual() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!([]),
        json!("a"),
        json!(["a"]),
        json!({"a": {}, "80/tcp": {}}),
        json!({"a": "x", "b": "y"}),
        json!({"Test": ["a"], "Interval": 1}),
        json!({"Test": ["a"], "Interval": 2}),
        json!(["A=1", "B=2"]),
        json!(["A=2", "HOSTNAME=a"]),
    ])
}

/// An object with some of the fields that are read, of any type, and some that nobody knows.
fn fields(known: &'static [&'static str]) -> impl Strategy<Value = Value> {
    let name = prop_oneof![prop::sample::select(known).prop_map(str::to_owned), "X[a-z]{3}"];
    prop::collection::btree_map(name, prop_oneof![any_json(), usual()], 0..8).prop_map(|map| json!(map))
}

fn any_case() -> impl Strategy<Value = Case> {
    let config = fields(&[
        "Env",
        "Labels",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "User",
        "Healthcheck",
        "ExposedPorts",
        "Volumes",
        "Hostname",
        "MacAddress",
        "Shell",
        "StopSignal",
    ]);
    let host = fields(&[
        "Binds",
        "Mounts",
        "NetworkMode",
        "PidMode",
        "NanoCpus",
        "CpuQuota",
        "Ulimits",
        "Devices",
        "MemorySwappiness",
        "PortBindings",
        "UTSMode",
    ]);
    let image = fields(&[
        "Env",
        "Labels",
        "Cmd",
        "Entrypoint",
        "WorkingDir",
        "User",
        "Healthcheck",
        "ExposedPorts",
        "Volumes",
        "Shell",
        "StopSignal",
    ]);
    let networks =
        prop::collection::btree_map("[a-c]", fields(&["Aliases", "MacAddress", "IPAddress", "NetworkID"]), 0..3);
    let (mounts, api) = (any_json(), prop::sample::select(vec![24_u16, 41, 44, 52]));
    (config, host, prop::option::of(image), networks, mounts, api, any::<bool>()).prop_map(
        |(config, host, image, networks, mounts, api, podman)| {
            let mut case = Case::new(config, host).networks(json!(networks)).with("Mounts", mounts);
            if let Some(image) = image {
                case = case.image(image);
            }
            Case { api: ApiVersion::new(1, api), podman, ..case }
        },
    )
}

/// Whether both say the same; what is absent, null or empty is nothing.
fn is_same(a: &Value, b: &Value) -> bool {
    let is_nothing = |value: &Value| [json!(null), json!(""), json!([]), json!({})].contains(value);
    a == b || is_nothing(a) && is_nothing(b)
}

proptest! {
    /// Whatever an engine shows: what nobody knows is there afterwards, and nothing that nobody had.
    #[test]
    fn unknown_fields_survive(case in any_case()) {
        let (body, _) = case.plan();
        for (part, old) in [(&body, &case.old["Config"]), (&body["HostConfig"], &case.old["HostConfig"])] {
            for (field, value) in old.as_object().unwrap().iter().filter(|(field, _)| field.starts_with('X')) {
                prop_assert_eq!(part.get(field), Some(value), "{}", field);
            }
        }
        for field in body.as_object().unwrap().keys() {
            let ours = ["Image", "HostConfig", "NetworkingConfig"].contains(&field.as_str());
            prop_assert!(ours || case.old["Config"].get(field).is_some(), "{} came from nowhere", field);
        }
    }

    /// What the user set, and the image did not, is there afterwards; what the image gave is not.
    #[test]
    fn what_the_user_set_survives(case in any_case().prop_filter("Podman shows both otherwise", |case| !case.podman)) {
        let (body, _) = case.plan();
        let (config, host) = (&case.old["Config"], &case.old["HostConfig"]);
        let image = case.old_image.as_ref().map_or(Value::Null, |image| image["Config"].clone());
        let of_image = |field: &str| case.old_image.is_some() && is_same(&config[field], &image[field]);
        for field in ["WorkingDir", "User", "StopSignal", "Shell"] {
            let expected = config.get(field).filter(|_| !of_image(field));
            prop_assert_eq!(body.get(field), expected, "{}", field);
        }
        if !of_image("Entrypoint") && !config["Entrypoint"].is_null() {
            prop_assert_eq!(&body["Entrypoint"], &config["Entrypoint"]);
            prop_assert_eq!(body.get("Cmd"), config.get("Cmd"));
        }
        for entry in config["Env"].as_array().into_iter().flatten() {
            let of_image = image["Env"].as_array().is_some_and(|all| all.contains(entry));
            prop_assert_eq!(body["Env"].as_array().is_some_and(|all| all.contains(entry)), !of_image, "{}", entry);
        }
        for field in ["Labels", "Volumes"] {
            for (name, value) in config[field].as_object().into_iter().flatten() {
                let of_image = image[field].get(name) == Some(value);
                prop_assert_eq!(body[field].get(name), Some(value).filter(|_| !of_image), "{} of {}", name, field);
            }
        }
        let check = |of: &Value, field: &str| of["Healthcheck"].get(field).cloned().unwrap_or_default();
        for (field, value) in config["Healthcheck"].as_object().into_iter().flatten() {
            let is_images = image["Healthcheck"].get(field) == Some(value);
            let is_own = !is_same(&check(config, "Test"), &check(&image, "Test"));
            let kept = body["Healthcheck"].get(field) == Some(value);
            prop_assert!(kept || is_images && !is_own || of_image("Healthcheck"), "{} of the check", field);
        }
        for (field, value) in host.as_object().unwrap() {
            // Changed by rules that have tests of their own.
            let is_changed = ["Binds", "Mounts", "NetworkMode", "PortBindings"].contains(&field.as_str());
            prop_assert!(is_changed || body["HostConfig"].get(field) == Some(value), "{}", field);
        }
    }

    /// Every field that nobody knows is there afterwards as it was written, wherever it stands.
    #[test]
    fn unknown_fields_survive_to_the_letter(
        literal in prop::sample::select(vec![
            "1e400", "-0.0", "18446744073709551616", "1.10", "\"\\u00fc \\ud800\"", "[1 ,2.50]", "{ \"b\" :null}",
            "100000000000000000000000000000000000000000000000001",
        ]),
        podman in any::<bool>(),
        with_image in any::<bool>(),
    ) {
        let old = r#"{"Id":"i","Config":{"X1":#,"Env":["A=1",#],"Healthcheck":{"Test":["a"],"X2":#},
            "Labels":{"a":"b","X3":#},"Hostname":"h"},"HostConfig":{"X4":#,"NetworkMode":"n",
            "Binds":[#,"/anon"],"Mounts":[{"Type":"volume","Target":"/v","X5":#,"VolumeOptions":{"X6":#}}],
            "Ulimits":[{"Name":"RLIMIT_CORE","X7":#}],"Devices":[{"CgroupPermissions":"","X8":#}]},
            "Mounts":[{"Type":"volume","Name":"n1","Destination":"/v"},{"Type":"volume","Name":"n2","Destination":"/anon"}],
            "NetworkSettings":{"Networks":{"n":{"X9":#,"Aliases":["i","a"],"IPAMConfig":{"X10":#}}}}}"#;
        let places = old.matches('#').count();
        let image = raw(&json!({"Id": "o", "Config": {"Env": ["A=1"], "Labels": {"a": "b"}, "Healthcheck": {"Test": ["a"]}}}));
        let body = text_of(&old.replace('#', literal), Some(&*image).filter(|_| with_image), podman);
        prop_assert_eq!(body.matches(literal).count(), places, "{}", body);
    }

    /// A clone of the clone is the clone.
    #[test]
    fn a_second_update_changes_nothing_more(mut case in any_case()) {
        case.old_image = None;
        let (first, _) = case.plan();
        let mut config = first.clone();
        let host = config.as_object_mut().unwrap().remove("HostConfig").unwrap();
        config.as_object_mut().unwrap().remove("NetworkingConfig");
        case.old["Config"] = config;
        case.old["HostConfig"] = host;
        let (second, _) = case.plan();
        prop_assert_eq!(first, second);
    }
}
