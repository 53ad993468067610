//! The steps `redis` and `rabbit` against real servers.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use super::{Ended, Place, fails, passes, verdict};
use crate::support::queue::TestQueue as _;
use crate::support::rabbit::Classic;
use crate::support::redis::Redis;

/// A test with these steps, in which the server is `conf`.
fn with(conf: &str, steps: &[&str]) -> String {
    format!(
        "variables: {{conf: {conf}, deep: {{a: 1, b: c, d: [1, 2, 4]}}, zip: '007'}}\nsteps:\n  - {}\n",
        steps.join("\n  - ")
    )
}

#[test]
fn a_redis_does_any_command_and_its_answer_is_a_value() {
    let server = Redis::start();
    let conf = format!("{{host: 127.0.0.1, port: {}}}", server.port());
    let ask = |command: &str| {
        format!("redis: {{request: {{conf: '{{{{ conf }}}}', {command}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}")
    };
    let is = |expected: &str| format!("check: {{equals: {{the: '{{{{ x }}}}', is: {expected}}}}}");
    let mut steps = Vec::new();
    for (command, expected) in [
        ("set: {foo: 11}", "true"),
        ("decr: foo", "10"),
        ("incrby: {foo: 5}", "15"),
        ("get: [foo]", "15"),
        ("delete: [foo, bar]", "1"),
        ("get: foo", "null"),
        ("set: {key: '{{ deep }}'}", "true"),
        ("get: key", "'{{ deep }}'"),
        ("set: {zip: '{{ zip }}'}", "true"),
        ("get: zip", "'007'"),
        ("set: {json: '{\"n\": 12345678901234567890, \"none\": null}'}", "true"),
        ("get: json", "{n: 12345678901234567890, none: null}"),
        ("rpush: [list, a, 'b c', 3]", "3"),
        ("lrange: [list, 0, -1]", "[a, b c, 3]"),
        ("hset: [hash, {name: Ann, age: 7}]", "2"),
        ("hgetall: hash", "{name: Ann, age: 7}"),
        ("zadd: [board, {ann: 2, bob: 1}]", "2"),
        ("zrange: [board, 0, -1]", "[bob, ann]"),
        ("type: list", "list"),
        ("ping:", "PONG"),
        ("multi:", "true"),
        ("incr: n", "QUEUED"),
        ("exec:", "[1]"),
        ("eval: ['return {KEYS[1], 7}', 1, k]", "[k, 7]"),
    ] {
        steps.extend([ask(command), is(expected)]);
    }
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    passes(&with(&conf, &steps));
    assert_eq!(server.ask::<String>(&["GET", "key"]), "{'a': 1, 'b': 'c', 'd': [1, 2, 4]}");
    passes(&with(&format!("'redis://127.0.0.1:{}/1'", server.port()), &[&ask("exists: key"), &is("0")]));
    fails(&with(&conf, &[&ask("incr: key")]), "ERR value is not an integer or out of range (redis, main.yaml:3:5)");
    fails(&with(&conf, &[&ask("gett: key")]), "ERR unknown command");
    fails(&with(&conf, &[&ask("subscribe: x")]), "SUBSCRIBE is no command for a step");
    super::refused(
        &with(&conf, &[&ask("get: a, set: {a: 1}")]),
        "`redis request` takes one command, and `set` is a second",
    );
    super::refused(
        "steps: [{redis: {request: {conf: {}}}}]",
        "`redis request` needs `<command>`: One command by its name",
    );
}

#[test]
fn what_a_redis_does_not_have_yet_is_waited_for_and_one_that_is_not_there_is_unreachable() {
    let server = Redis::start();
    let port = server.port();
    let later = format!(
        "steps:\n  - redis: {{request: {{conf: {{host: 127.0.0.1, port: {port}}}, lmove: [done, seen, LEFT, RIGHT]}}, register: {{x: '{{{{ OUTPUT.id }}}}'}}, until: {{timeout: 60, pause: 0.05, factor: 1}}}}\n  - check: {{equals: {{the: '{{{{ x }}}}', is: 7}}}}\n"
    );
    let place = Place::with(&[("main.yaml", &later)]);
    let child = place.command("run main.yaml").spawn().expect("the program starts");
    // It has asked in vain before there is something.
    let asked = || server.ask::<String>(&["INFO", "commandstats"]).contains("cmdstat_lmove:calls=2");
    let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while !asked() && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    server.ask::<u64>(&["RPUSH", "done", "{\"id\": 7}"]);
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!(ended.code, 0, "{ended:?}");
    let (code, why) = verdict("steps: [{redis: {request: {conf: 'redis://u:hunter2@127.0.0.1:1/0', ping: }}}]");
    assert!(code == 5 && why.starts_with("failed to reach Redis at redis://127.0.0.1:1/0: "), "{code} {why}");
}

#[test]
fn a_password_that_only_a_step_has_is_masked_and_a_wrong_one_reaches_nothing() {
    let server = Redis::start();
    server.ask::<()>(&["CONFIG", "SET", "requirepass", "hunter2secret"]);
    let port = server.port();
    let step = |password: &str| {
        format!(
            "steps:\n  - redis: {{request: {{conf: {{host: 127.0.0.1, port: {port}, password: {password}}}, echo: 'it is {password}'}}}}\n"
        )
    };
    let place = Place::with(&[("main.yaml", &step("hunter2secret")), ("bad.yaml", &step("wrong-hunter"))]);
    let ended = place.run("run main.yaml -l debug --report=out -p json");
    assert!(ended.code == 0 && ended.stdout.contains("'it is ***'"), "{ended:?}");
    for file in ["out/index.html", "reports/report.json"] {
        let text = place.read(file).expect(file);
        assert!(text.contains("it is ***") && !text.contains("hunter2secret"), "{file}: {text}");
    }
    let ended = place.run("run bad.yaml");
    assert!(ended.code == 5 && !ended.stdout.contains("wrong-hunter"), "{ended:?}");
}

#[test]
fn a_message_goes_through_a_broker_with_its_headers() {
    let broker = Classic::start();
    let queue = &broker.queue;
    let [port, tls_port] = broker.ports();
    let conf = format!("{{server: '127.0.0.1:{port}', username: guest, password: guest}}");
    let publish = |more: &str| {
        format!("rabbit: {{publish: {{config: '{{{{ conf }}}}', exchange: '', routing_key: {queue}, {more}}}}}")
    };
    let consume = || {
        format!(
            "rabbit: {{consume: {{config: '{{{{ conf }}}}', queue: {queue}}}, register: {{x: '{{{{ OUTPUT }}}}'}}}}"
        )
    };
    let is = |expected: &str| format!("check: {{equals: {{the: '{{{{ x }}}}', is: {expected}}}}}");
    let mut steps = Vec::new();
    for (sent, expected) in [
        ("data: plain text", "plain text"),
        ("data: '{{ deep }}'", "'{{ deep }}'"),
        ("data: '{{ deep | tojson }}'", "'{{ deep }}'"),
        ("data: '{{ zip }}'", "'007'"),
    ] {
        steps.extend([publish(sent), consume(), is(expected)]);
    }
    steps.push(publish("data: with headers, headers: {test.header.1: one, n: 5, ok: true, deep: {a: [1]}}"));
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    passes(&with(&conf, &steps));
    let mut expected = FieldTable::default();
    expected.insert("test.header.1".into(), AMQPValue::LongString("one".into()));
    expected.insert("n".into(), AMQPValue::LongLongInt(5));
    expected.insert("ok".into(), AMQPValue::Boolean(true));
    let drained = broker.drain(queue);
    let [(content, properties, _)] = drained.as_slice() else { panic!("one message: {drained:?}") };
    let headers = properties.headers().as_ref().expect("headers").inner();
    assert_eq!((content.as_str(), headers.len()), ("with headers", 4));
    assert!(expected.inner().iter().all(|(name, value)| headers.get(name) == Some(value)), "{headers:?}");

    let place = Place::with(&[
        ("resources/m.json", "{\"who\": \"{{ who }}\"}"),
        (
            "main.yaml",
            &format!("variables: {{who: Ann, conf: {conf}}}\nsteps:\n  - {}\n", publish("data_from_file: m.json")),
        ),
    ]);
    assert_eq!(place.run("run main.yaml").code, 0);
    assert_eq!(broker.drain(queue)[0].0, "{\"who\": \"Ann\"}");

    // By TLS, trusting an authority, or anybody.
    for options in [format!("{{ca_certs: {}}}", broker.certificate().display()), "{cert_reqs: CERT_NONE}".to_owned()] {
        let conf = format!("{{server: 'localhost:{tls_port}', sslOptions: {options}}}");
        passes(&with(&conf, &[&publish("data: by TLS"), &consume(), &is("by TLS")]));
    }
    let (code, why) = verdict(&with(&format!("{{server: 'localhost:{tls_port}', sslOptions: {{}}}}"), &[&consume()]));
    assert!(code == 5 && why.contains("certificate"), "{code} {why}");
}

#[test]
fn an_empty_queue_fails_what_no_queue_takes_fails_and_both_can_be_waited_for() {
    let broker = Classic::start();
    let (queue, port) = (broker.queue.clone(), broker.ports()[0]);
    let conf = format!("{{server: '127.0.0.1:{port}'}}");
    let consume = |more: &str| format!("rabbit: {{consume: {{config: '{{{{ conf }}}}', queue: {queue}}}{more}}}");
    fails(&with(&conf, &[&consume("")]), &format!("the queue '{queue}' is empty (rabbit, main.yaml:3:5)"));
    let nobody = |more: &str| {
        format!(
            "rabbit: {{publish: {{config: '{{{{ conf }}}}', exchange: amq.topic, routing_key: nobody, data: x{more}}}}}"
        )
    };
    fails(
        &with(&conf, &[&nobody("")]),
        "no queue takes a message of the exchange 'amq.topic' with the routing key 'nobody'",
    );
    passes(&with(&conf, &[&nobody(", mandatory: false")]));
    fails(
        &with(&conf, &["rabbit: {publish: {config: '{{ conf }}', exchange: none-such, routing_key: k, data: x}}"]),
        "NOT_FOUND - no exchange 'none-such' in vhost '/'",
    );
    fails(
        &with(&conf, &["rabbit: {consume: {config: '{{ conf }}', queue: none-such}}"]),
        "NOT_FOUND - no queue 'none-such'",
    );

    let place = Place::with(&[(
        "main.yaml",
        &with(&conf, &["sh: touch begun", &consume(", until: {timeout: 60, pause: 0.1, factor: 1}")]),
    )]);
    let child = place.command("run main.yaml").spawn().expect("the program starts");
    super::await_file(&place.path("begun"));
    broker.publish(&queue, vec![(b"late".to_vec(), BasicProperties::default())]);
    let ended = Ended::of(child.wait_with_output().expect("the program ends"));
    assert_eq!((ended.code, broker.left()), (0, 0), "{ended:?}");

    for (conf, said) in [
        (
            "{server: '127.0.0.1:1', password: hunter2secret}".to_owned(),
            "failed to reach RabbitMQ at amqp://127.0.0.1:1",
        ),
        (
            format!("{{server: '127.0.0.1:{port}', username: guest, password: hunter2secret}}"),
            "refuses the user 'guest' or the password",
        ),
        (format!("{{server: '127.0.0.1:{port}', virtualhost: none}}"), "does not let 'guest' into the vhost 'none'"),
    ] {
        let (code, why) = verdict(&with(&conf, &[&consume("")]));
        assert!(code == 5 && why.contains(said) && !why.contains("hunter2"), "{code} {why}");
    }
}
