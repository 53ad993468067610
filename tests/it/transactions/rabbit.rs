//! What is RabbitMQ's own.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::*;
use crate::support::rabbit::{Classic, Quorum, Rabbit};

/// What a look says of every queue of RabbitMQ.
const UNKNOWN: &str = "what the queue dropped by itself (too long, expired) is not known: RabbitMQ does not tell";

fn headers(properties: &BasicProperties) -> FieldTable {
    properties.headers().clone().unwrap_or_default()
}

fn text(properties: &BasicProperties, name: &str) -> String {
    match headers(properties).inner().get(name) {
        Some(AMQPValue::LongString(text)) => text.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// A message with headers that are texts.
fn message(content: &[u8], told: &[(&str, &str)]) -> (Vec<u8>, BasicProperties) {
    let mut table = FieldTable::default();
    for (name, value) in told {
        table.insert((*name).into(), AMQPValue::LongString((*value).into()));
    }
    (content.to_vec(), BasicProperties::default().with_headers(table))
}

fn url<const QUORUM: bool>(rabbit: &Rabbit<QUORUM>, queue: &str) -> String {
    format!("amqp://127.0.0.1:{}/%2F?queue={queue}", rabbit.ports()[0])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_classic_queue_takes_nothing_and_keeps_the_order() {
    let world = World::of(quick(), Classic::start).await;
    let old = BasicProperties::default().with_timestamp(1_764_230_000);
    let mut all = vec![(body("confirmed-0").into_bytes(), old)];
    all.extend((1..40).map(|number| message(body(&format!("confirmed-{number} of backup")).as_bytes(), &[])));
    all.push(message(b"{", &[]));
    let death = [("x-first-death-queue", "orders"), ("x-first-death-reason", "expired")];
    all.push(message(body("declined-1").as_bytes(), &death));
    let contents: Vec<String> = all.iter().map(|(content, _)| String::from_utf8_lossy(content).into_owned()).collect();
    world.queue.publish(&world.queue.queue, all);
    for (words, seen) in [("", 42), ("--limit=17", 17), ("", 42)] {
        let report = world.look(words).await;
        let said = ["waiting", "parked", "seen"].map(|name| report[name].as_u64());
        assert_eq!(said, [Some(42), Some(0), Some(seen)], "{report:#}");
        assert_eq!((&report["taken"], &report["lost"]["waiting"]), (&Value::Null, &Value::Null));
        if seen == 42 {
            assert_eq!(report["malformed"]["first"], json!([["no. 41", "it is no JSON object"]]));
            assert_eq!(report["remarks"], json!(["dead-lettered from 'orders' (expired): 1", UNKNOWN]));
            assert_eq!(report["oldest"], "2025-11-27T07:53:20Z");
        }
    }
    let drained = world.queue.drain(&world.queue.queue);
    assert_eq!(drained.iter().map(|(content, ..)| content).collect::<Vec<_>>(), contents.iter().collect::<Vec<_>>());
    assert!(drained.iter().all(|(_, _, again)| *again), "each was looked at, and RabbitMQ marks it");
}

/// A quorum queue drops what it delivered too often: a look must not count as a delivery.
#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_quorum_queue_only_counts() {
    let world = World::of(quick(), Quorum::start).await;
    world.put(["confirmed-1", "declined-2"]);
    let report = world.look("").await;
    let why =
        "not looked into, for a quorum queue counts each look as a delivery, and may drop what it delivered too often";
    let address = format!("amqp://127.0.0.1:{}/%2F?queue={}", world.queue.ports()[0], world.queue.queue);
    assert_eq!(report["message"], format!("2 transactions wait in {address}; {why}; {UNKNOWN}"));
    assert_eq!((&report["waiting"], &report["seen"]), (&json!(2), &json!(0)));
    let planned = world.run("--check").await;
    assert_eq!((planned.code, planned.report["outcome"].as_str()), (0, Some("planned")), "{planned:?}");
    assert!(planned.report["text"].as_str().is_some_and(|text| text.contains(why)), "{planned:?}");
    for (_, properties, again) in world.queue.drain(&world.queue.queue) {
        let count = headers(&properties).inner().get("x-delivery-count").cloned();
        assert_eq!((count, again), (Some(AMQPValue::LongLongInt(0)), false));
    }
}

async fn each_ends_where_it_should<const QUORUM: bool>(is_parking_there: bool) {
    let world = World::of(quick(), Rabbit::<QUORUM>::start).await;
    let queue = world.queue.queue.clone();
    let parking = format!("{queue}.parked");
    if is_parking_there {
        // Made by somebody else, with other arguments.
        world.queue.declare(&parking, &[("x-max-length", "1000")]);
    }
    world.put(["pending-1", "confirmed-1", "declined-1", "nobody-knows", "confirmed-9 of backup"]);
    let odd = b"{\"id\": \"M\xfcller\"}";
    let own = BasicProperties::default().with_message_id("m-1".into()).with_expiration("3600000".into());
    world.queue.publish(&queue, vec![(odd.to_vec(), own)]);
    let ended = world.run("").await;
    assert_eq!((ended.code, ended.report["outcome"].as_str()), (3, Some("needs_operator")), "{ended:?}");
    assert_eq!(numbers(&ended.report), [1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(world.ledger().effects.len(), 2);
    let look = world.look("").await;
    assert_eq!(["waiting", "parked"].map(|name| look[name].as_u64()), [Some(3), Some(1)]);
    let parked = world.queue.drain(&parking);
    let (content, properties, _) = &parked[0];
    assert_eq!((parked.len(), content.as_str()), (1, "{\"id\": \"M\u{fffd}ller\"}"));
    assert_eq!(properties.message_id().as_ref().map(ShortString::as_str), Some("m-1"));
    assert_eq!((properties.expiration(), properties.delivery_mode()), (&None, &Some(2)));
    assert_eq!(text(properties, "x-firebreak-reason"), "it is no JSON object");
    assert_eq!(text(properties, "x-firebreak-queue"), queue);
    // What was left can be had at once, and stands where it stood.
    let again = world.run("--issuer=backup").await;
    assert_eq!((again.code, numbers(&again.report)), (0, [1, 0, 0, 0, 3 - 1, 0, 0]), "{again:?}");
    let left: Vec<String> = world.queue.drain(&queue).into_iter().map(|(content, ..)| content).collect();
    assert_eq!(left, [body("pending-1"), body("nobody-knows")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_of_a_classic_queue_ends_where_it_should() {
    each_ends_where_it_should::<false>(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transaction_of_a_quorum_queue_ends_where_it_should() {
    each_ends_where_it_should::<true>(true).await;
}

/// A parking queue that takes nothing: nothing leaves the queue then.
#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_parked_stays() {
    let world = World::of(quick(), Classic::start).await;
    let full = [("x-max-length", "0"), ("x-overflow", "reject-publish")];
    world.queue.declare(&format!("{}.parked", world.queue.queue), &full);
    world.queue.publish(&world.queue.queue, vec![message(b"{", &[]), message(body("confirmed-1").as_bytes(), &[])]);
    let ended = world.run("").await;
    assert_eq!((ended.code, numbers(&ended.report)[0]), (3, 1), "{ended:?}");
    let why = format!("does not take the message into '{}.parked': is that full?", world.queue.queue);
    assert!(ended.report["results"].to_string().contains(&why), "{}", ended.report["results"]);
    let left: Vec<String> = world.queue.drain(&world.queue.queue).into_iter().map(|(content, ..)| content).collect();
    assert_eq!(left, ["{"]);
}

/// Nothing could be looked into, and nothing that is taken is a transaction: more likely it is read in the wrong way.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_parked_before_one_message_is_a_transaction() {
    let world = World::of(quick(), Quorum::start).await;
    world.put((0..150).map(|_| "confirmed-1"));
    let mut services = world.settlement.services();
    services["message"] = json!({ "id": "/nope" });
    let mut command = world.command("run --bank=north --yes");
    command.env("FIREBREAK_SERVICES", services.to_string());
    let ended = world.ends(command).await;
    let message = ended.report["message"].as_str().unwrap_or_default();
    let why = "none of the messages is a transaction: is `message` of the services right? They wait in the queue";
    assert!(ended.code == 3 && message.starts_with(why), "{ended:?}");
    assert_eq!(numbers(&ended.report)[..6], [0; 6]);
    assert_eq!((world.queue.left(), world.ledger().asked), (150, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_broker_or_the_queue_is_said() {
    let world = World::of(quick(), Classic::start).await;
    world.put(["confirmed-1"]);
    let [port, tls_port] = world.queue.ports();
    let queue = &world.queue.queue;
    let stream = format!("{queue}-stream");
    world.queue.declare(&stream, &[("x-queue-type", "stream")]);
    let exclusive = format!("{queue}-exclusive");
    let owner = world.queue.owner(&exclusive).await;
    let at = format!("amqp://127.0.0.1:{port}");
    for (address, code, why) in [
        (url(&world.queue, "none"), 1, format!("there is no queue 'none' in the vhost '/' at {at}/%2F")),
        (
            format!("{at}/nope?queue={queue}"),
            1,
            format!("RabbitMQ at {at}/nope does not let 'guest' into the vhost 'nope'"),
        ),
        (
            format!("amqp://guest:hunter2@127.0.0.1:{port}/?queue={queue}"),
            1,
            format!("RabbitMQ at {at}/ refuses the user 'guest' or the password"),
        ),
        (
            url(&world.queue, &exclusive),
            1,
            format!("the queue '{exclusive}' at {at}/%2F belongs to one connection alone"),
        ),
        ("amqp://127.0.0.1:1/?queue=a".to_owned(), 1, "failed to reach RabbitMQ at amqp://127.0.0.1:1/".to_owned()),
        (format!("amqps://127.0.0.1:{port}/?queue=a"), 1, "failed to reach RabbitMQ at amqps://127.0.0.1:".to_owned()),
        (format!("amqps://localhost:{tls_port}/?queue={queue}"), 1, "it can be named as --cacert".to_owned()),
        (format!("{at}/"), 2, format!("'{at}/' names no queue of RabbitMQ: it has no `?queue=`")),
    ] {
        let ended = world.ends(world.command(&format!("run --yes --bank=north --queue={address}"))).await;
        let message = ended.report["message"].as_str().unwrap_or_default();
        assert!(ended.code == code && message.contains(&why), "{address}: {ended:?}");
        assert!(!format!("{ended:?}").contains("hunter2"), "{ended:?}");
    }
    owner.close(200, "".into()).await.expect("its end");
    world.queue.publish(&stream, vec![message(b"{}", &[])]);
    let streamed =
        world.ends(world.command(&format!("run --yes --bank=north --queue={}", url(&world.queue, &stream)))).await;
    assert_eq!(streamed.code, 1, "{streamed:?}");
    let why = format!("the queue '{stream}' at {at}/%2F is a stream, of a kind that gives no single messages");
    assert!(streamed.report["message"].as_str().is_some_and(|message| message.contains(&why)), "{streamed:?}");
    assert_eq!((world.settlement.ledger().asked, world.queue.left()), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_trusts_whom_cacert_names() {
    let world = World::of(quick(), Classic::start).await;
    world.put(["confirmed-1"]);
    let url = format!("--queue=amqps://localhost:{}/?queue={}", world.queue.ports()[1], world.queue.queue);
    let certificate = world.queue.certificate().display();
    let ended = world.ends(world.command(&format!("run --bank=north --yes {url} --cacert={certificate}"))).await;
    assert_eq!((ended.code, numbers(&ended.report)[0]), (0, 1), "{ended:?}");
    let insecure = world.ends(world.command(&format!("get {url} --insecure"))).await;
    assert_eq!((insecure.code, insecure.report["outcome"].as_str()), (0, Some("nothing_to_do")), "{insecure:?}");
}
