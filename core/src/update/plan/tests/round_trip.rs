//! What an engine makes of a clone is what was cloned: with the rules by which Docker puts a request and an image
//! together.

use proptest::prelude::*;

use super::*;

fn or_null(value: &Value, field: &str) -> Value {
    value.get(field).cloned().unwrap_or_default()
}

fn is_nothing(value: &Value) -> bool {
    [json!(null), json!(""), json!([]), json!({}), json!(0)].contains(value)
}

/// What Docker's inspect shows as `Config` of a container that this was asked for, of this image.
fn made_of(asked: &Value, image: &Value) -> Value {
    let mut config = json!({});
    let (entrypoint, command) = (or_null(asked, "Entrypoint"), or_null(asked, "Cmd"));
    config["Cmd"] =
        if is_nothing(&entrypoint) && is_nothing(&command) { or_null(image, "Cmd") } else { command.clone() };
    config["Entrypoint"] = match &entrypoint {
        Value::Null => or_null(image, "Entrypoint"),
        one if *one == json!([""]) => Value::Null,
        other => other.clone(),
    };
    for field in ["User", "WorkingDir", "StopSignal"] {
        let own = or_null(asked, field);
        config[field] = if is_nothing(&own) { or_null(image, field) } else { own };
    }
    config["Healthcheck"] = match (or_null(asked, "Healthcheck"), or_null(image, "Healthcheck")) {
        (Value::Null, images) => images,
        (own, Value::Null) => own,
        (mut own, images) => {
            for field in ["Test", "Interval", "Retries"] {
                if is_nothing(&or_null(&own, field)) && !is_nothing(&or_null(&images, field)) {
                    own[field] = images[field].clone();
                }
            }
            own
        }
    };
    for field in ["Labels", "ExposedPorts", "Volumes"] {
        let mut all = or_null(image, field).as_object().cloned().unwrap_or_default();
        all.extend(or_null(asked, field).as_object().cloned().unwrap_or_default());
        config[field] = json!(all);
    }
    let mut env: BTreeMap<String, String> = BTreeMap::new();
    for entry in [image, asked].iter().flat_map(|of| of["Env"].as_array().into_iter().flatten()) {
        let entry = entry.as_str().unwrap();
        env.insert(entry.split('=').next().unwrap().to_owned(), entry.to_owned());
    }
    config["Env"] = json!(env.into_values().collect::<Vec<String>>());
    config
}

/// What is asked for, or built into an image.
fn wanted() -> impl Strategy<Value = Value> {
    fn one_of(all: &[Value]) -> impl Strategy<Value = Value> + use<> {
        prop::sample::select(all.to_vec())
    }
    let words = || one_of(&[json!(null), json!(["a"]), json!(["b", "c"])]);
    let word = || one_of(&[json!(""), json!("a"), json!("b")]);
    let set = || one_of(&[json!({}), json!({"1/tcp": {}}), json!({"1/tcp": {}, "2/tcp": {}}), json!({"2/tcp": {}})]);
    let labels = one_of(&[json!({}), json!({"l": "1"}), json!({"l": "2", "m": "1"}), json!({"m": "1"})]);
    let env = one_of(&[json!([]), json!(["A=1"]), json!(["A=2", "B=1"]), json!(["B=1", "C=", "D"])]);
    let check = one_of(&[
        json!(null),
        json!({"Test": ["CMD", "a"]}),
        json!({"Test": ["CMD", "a"], "Interval": 1}),
        json!({"Test": ["CMD", "b"], "Interval": 1, "Retries": 2}),
        json!({"Interval": 2}),
        json!({"Test": ["NONE"]}),
    ]);
    let entrypoint = one_of(&[json!(null), json!([]), json!([""]), json!(["a"]), json!(["b"])]);
    let rest = (word(), word(), word(), set(), set(), labels, env);
    (entrypoint, words(), check, rest).prop_map(
        |(entrypoint, command, check, (user, dir, signal, ports, volumes, labels, env))| {
            json!({
                "Entrypoint": entrypoint, "Cmd": command, "Healthcheck": check, "User": user, "WorkingDir": dir,
                "StopSignal": signal, "ExposedPorts": ports, "Volumes": volumes, "Labels": labels, "Env": env,
            })
        },
    )
}

fn image() -> impl Strategy<Value = Value> {
    wanted().prop_map(|mut image| {
        // A build takes no entry point away.
        if image["Entrypoint"] == json!([""]) || image["Entrypoint"] == json!([]) {
            image["Entrypoint"] = Value::Null;
        }
        image
    })
}

/// As a shell of the image would see them: an empty entry point is none.
fn effect(mut config: Value) -> Value {
    if is_nothing(&config["Entrypoint"]) {
        config["Entrypoint"] = Value::Null;
    }
    if is_nothing(&config["Cmd"]) {
        config["Cmd"] = Value::Null;
    }
    config
}

proptest! {
    /// An update to an image that is no different changes nothing, and so does the next one.
    #[test]
    fn the_same_image_makes_the_same_container(asked in wanted(), image in image()) {
        let old = made_of(&asked, &image);
        // Docker refuses one without a command.
        prop_assume!(!is_nothing(&old["Entrypoint"]) || !is_nothing(&old["Cmd"]));
        let body = Case::new(old.clone(), json!({})).image(image.clone()).body();
        let new = made_of(&body, &image);
        prop_assert_eq!(effect(new.clone()), effect(old));
        prop_assert_eq!(Case::new(new, json!({})).image(image).body(), body);
    }

    /// Neither does making it again when its image is not known.
    #[test]
    fn an_unknown_image_makes_the_same_container(asked in wanted(), image in image()) {
        let old = made_of(&asked, &image);
        prop_assume!(!is_nothing(&old["Entrypoint"]) || !is_nothing(&old["Cmd"]));
        let new = made_of(&Case::new(old.clone(), json!({})).body(), &image);
        prop_assert_eq!(effect(new), effect(old));
    }

    /// On another image it is what the user would have got of the same request, but for what the user and the old image
    /// said alike.
    #[test]
    fn another_image_brings_its_own(asked in wanted(), old_image in image(), new_image in image()) {
        let old = made_of(&asked, &old_image);
        prop_assume!(!is_nothing(&old["Entrypoint"]) || !is_nothing(&old["Cmd"]));
        let new = made_of(&Case::new(old, json!({})).image(old_image.clone()).body(), &new_image);
        let ideal = made_of(&asked, &new_image);
        for field in ["User", "WorkingDir", "StopSignal"] {
            prop_assert!(new[field] == ideal[field] || asked[field] == old_image[field], "{}", field);
        }
        if asked["Healthcheck"].is_null() || asked["Healthcheck"]["Test"].is_null() && !old_image["Healthcheck"].is_null() {
            let own = &asked["Healthcheck"]["Interval"];
            let said_alike = !own.is_null() && *own == old_image["Healthcheck"]["Interval"];
            prop_assert!(said_alike || new["Healthcheck"] == ideal["Healthcheck"], "{new} {ideal}");
        }
        if asked["Entrypoint"].is_null() && asked["Cmd"].is_null() {
            prop_assert_eq!(&new["Entrypoint"], &ideal["Entrypoint"]);
            prop_assert_eq!(&new["Cmd"], &ideal["Cmd"]);
        }
    }
}
