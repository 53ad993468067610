//! The role, by the real Ansible.

use super::*;
use crate::support::ansible::{AnsibleSandbox, Played};

#[tokio::test(flavor = "multi_thread")]
async fn the_playbook_looks_plans_and_stores_and_shows_no_secret() {
    let (world, bucket) = (World::open(), Bucket::new().await);
    world.write("backup/1.png", picture(20, 1));
    world.write("keys", "1\n");
    let sandbox = AnsibleSandbox::of("repopulate_images", PROGRAM.as_ref());
    let variables = sandbox.variables(&json!({
        "repopulate_images_source": world.path("backup").join("{key}.png"),
        "repopulate_images_target": bucket.address("{key}.png"),
        "repopulate_images_access": ACCESS,
        "repopulate_images_keys": world.path("keys"),
    }));
    let play = async |words: &[&str]| {
        let words = [&["-e", &variables, "-vvv"], words].concat();
        let command = sandbox.command_of("repopulate_images", &words);
        let played: Played = tokio::task::spawn_blocking(|| AnsibleSandbox::end(command)).await.expect("a play");
        assert!(!played.text.contains("hunter2"), "a secret is shown: {}", played.text);
        played
    };
    let look = play(&[]).await;
    assert!(look.code == 0 && look.text.contains("1 picture in s3://") && look.recap("changed") == 0, "{}", look.text);
    let planned = play(&["--tags", "run", "--check"]).await;
    assert!(planned.code == 0 && planned.recap("changed") == 1, "{}", planned.text);
    assert_eq!(bucket.content("1.png").await, None);
    let acted = play(&["--tags", "run"]).await;
    assert!(acted.code == 0 && acted.recap("changed") == 1, "{}", acted.text);
    assert_eq!(bucket.content("1.png").await, Some(picture(20, 1)));
    assert_eq!((sandbox.left_over(), sandbox.records().len()), (Vec::new(), 1));
}
