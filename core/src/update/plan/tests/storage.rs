//! Volumes.

use super::*;

#[test]
fn anonymous_volumes_are_named() {
    let mounts = json!([
        {"Type": "volume", "Name": "n1", "Destination": "/anon", "Mode": "", "RW": true},
        {"Type": "volume", "Name": "n2", "Destination": "/named", "Mode": "z", "RW": true},
        {"Type": "volume", "Name": "n3", "Destination": "/filled", "Mode": "z", "RW": true},
        {"Type": "volume", "Name": "n4", "Destination": "/short", "Mode": "", "RW": false},
        {"Type": "volume", "Name": "n5", "Destination": "/odd:place", "Mode": "", "RW": true},
        {"Type": "bind", "Source": "/etc", "Destination": "/etc", "Mode": "ro", "RW": false},
    ]);
    let host = json!({
        "Binds": ["named:/named", "/etc:/etc:ro", "/short"],
        "Mounts": [{"Type": "volume", "Target": "/filled", "VolumeOptions": {"Labels": {"a": "1"}}}],
    });
    let body = Case::new(json!({}), host).with("Mounts", mounts).body();
    assert_eq!(body["HostConfig"]["Binds"], json!(["named:/named", "/etc:/etc:ro", "n1:/anon", "n4:/short:ro"]));
    assert_eq!(
        body["HostConfig"]["Mounts"],
        json!([
            {"Type": "volume", "Target": "/filled", "Source": "n3", "VolumeOptions": {"Labels": {"a": "1"}}},
            {"Type": "volume", "Source": "n5", "Target": "/odd:place", "ReadOnly": false},
        ])
    );
}

#[test]
fn a_place_counts_however_it_is_written() {
    let volume = |name: &str, place: &str| json!({"Type": "volume", "Name": name, "Destination": place, "RW": true});
    let mounts = json!([
        volume("n1", "/named"),
        volume("n2", "/data/x"),
        volume("n3", "/anon"),
        volume("n4", "/filled"),
        volume("n5", "/")
    ]);
    let host = json!({
        "Binds": ["n1:/named/", "n2:/a/../data//./x:ro", "/anon/"],
        "Mounts": [{"Type": "volume", "Target": "/filled/"}, {"Type": "volume", "Source": "n5", "Target": "/.."}],
    });
    let body = Case::new(json!({}), host).with("Mounts", mounts).body();
    assert_eq!(body["HostConfig"]["Binds"], json!(["n1:/named/", "n2:/a/../data//./x:ro", "n3:/anon"]));
    assert_eq!(
        body["HostConfig"]["Mounts"],
        json!([
            {"Type": "volume", "Target": "/filled/", "Source": "n4"},
            {"Type": "volume", "Source": "n5", "Target": "/.."},
        ])
    );
}

#[test]
fn volumes_of_other_containers_are_named_too() {
    // The other one may have others by now, or be gone.
    let mounts = json!([{"Type": "volume", "Name": "n", "Destination": "/theirs", "Mode": "ro", "RW": false}]);
    let body = Case::new(json!({}), json!({"Binds": null, "VolumesFrom": ["app:ro"]})).with("Mounts", mounts).body();
    assert_eq!(body["HostConfig"], json!({"Binds": ["n:/theirs:ro"], "VolumesFrom": ["app:ro"]}));
}

#[test]
fn binds_of_an_unknown_kind_stay() {
    let mounts = json!([{"Type": "volume", "Name": "n", "Destination": "/anon", "Mode": "", "RW": true}]);
    let body = Case::new(json!({}), json!({"Binds": [{"new": 1}, "a:/b"]})).with("Mounts", mounts).body();
    assert_eq!(body["HostConfig"]["Binds"], json!([{"new": 1}, "a:/b", "n:/anon"]));
}
