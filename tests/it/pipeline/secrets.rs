//! Secrets, which are in no report: neither in one for people nor in one for programs, nor in the journal.

use super::Place;

/// Asserts that nothing that this run tells has any of the secrets.
fn hides(place: &Place, run: &str, secrets: &[&str]) {
    let run = |words: &str| place.run(&format!("{run} --journal=journal {words}"));
    let ended = [run("-l debug --junit=out.xml -p json --report=out --tap=out.tap"), run("--format=json")];
    let mut texts: Vec<String> = ended.iter().flat_map(|ended| [ended.stdout.clone(), ended.stderr.clone()]).collect();
    let files = ["out.xml", "out.tap", "out/index.html", "reports/report.json"];
    texts.extend(files.map(|name| place.read(name).expect(name)));
    let journals = std::fs::read_dir(place.path("journal")).expect("the journals");
    texts.extend(journals.filter_map(|entry| std::fs::read_to_string(entry.expect("an entry").path()).ok()));
    assert!(texts.len() >= 7 && texts[0].contains("***"), "{texts:?}");
    for secret in secrets {
        assert!(!texts.iter().any(|text| text.contains(secret)), "{secret}: {texts:?}");
    }
}

#[test]
fn secrets_are_masked_in_every_report() {
    let place = Place::with(&[
        ("dev.yml", "db: {password: 'hunter2 &x'}\napi_token: tok3n-abc\nconf: 'ann:pa55word@host:5432/db'\n"),
        (
            "a.yaml",
            "variables: {my_secret: s3cr3t-own}\nsteps:\n  - echo: '{{ my_secret }} {{ cli_token }}'\n  - echo: '{{ db.password }} {{ api_token }} {{ conf }}'\n  - echo: '{{ db.password | b64encode }} {{ api_token | urlencode }}'\n  - sh: {command: \"sh -c 'echo {{ api_token }} >&2; exit 1'\", name: 'with {{ api_token }}'}\n",
        ),
    ]);
    let secrets = ["hunter2", "tok3n-abc", "pa55word", "s3cr3t-own", "t0k3n-cli", "aHVudGVyMiAmeA"];
    hides(&place, "run a.yaml -i dev.yml -e cli_token=t0k3n-cli", &secrets);
}

#[test]
fn the_folder_that_it_runs_in_is_no_secret() {
    let place = Place::with(&[("sub/a.yaml", "steps:\n  - check: 'false'\n")]);
    let mut command = place.command("run sub/a.yaml");
    command.env("PWD", "sub").env("OLDPWD", "a.yaml").env("TOKEN_FILE", "check");
    let ended = command.output().expect("the program runs");
    let said = String::from_utf8(ended.stderr).expect("UTF-8");
    assert!(said.contains("(check, sub/a.yaml:2:5)"), "{said}");
}

#[test]
fn secrets_of_includes_and_of_earlier_values_are_masked() {
    let place = Place::with(&[
        (
            "i.yaml",
            "variables: {inc_token: t0k3n-inc}\nsteps: [{echo: '{{ inc_token }} {{ given_password }}'}]\nfinally: {echo: done}\n",
        ),
        (
            "a.yaml",
            "include: {file: i.yaml, as: i, variables: {asked_secret: a5k3d-inc}}\nvariables: {my_secret: s3cr3t-own}\nsteps:\n  - run: {include: i, variables: {given_password: g1v3n-pw}}\n  - echo: {from: 0ld-value, register: {a_token: '{{ OUTPUT }}'}}\n  - echo: {from: n3w-value, register: {a_token: '{{ OUTPUT }}'}}\n  - check: {equals: {the: 'the t0k3n-inc a5k3d-inc', is: '{{ my_secret }}'}}\n",
        ),
    ]);
    let secrets = ["t0k3n-inc", "a5k3d-inc", "g1v3n-pw", "s3cr3t-own", "0ld-value", "n3w-value"];
    hides(&place, "run a.yaml", &secrets);
}

#[test]
fn secrets_of_several_lines_and_those_that_are_cut_off_are_masked() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nl4st+line+x/y\n-----END KEY-----\n";
    let long = format!("{}{{{{ private_key }}}}{}", "x".repeat(250), "y".repeat(100));
    let text = format!(
        "variables:\n  private_key: |\n    {}\nsteps:\n  - echo: '{{{{ private_key }}}}'\n  - echo: '{long}'\n  - echo: {{from: ['{{{{ private_key }}}}']}}\n  - sh: sh -c 'printf %s \"$private_key\" >&2; exit 1'\n",
        key.trim_end().replace('\n', "\n    ")
    );
    let place = Place::with(&[("a.yaml", &text)]);
    hides(&place, "run a.yaml", &["BEGIN KEY", "MIIE", "l4st", "END KEY"]);
}
