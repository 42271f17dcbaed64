//! redis-rs as applications use it: its blocking connection, its asynchronous ones, and the connection manager, which
//! subscribes again by itself. Each function is one thing that must work.

use std::collections::HashMap;

use clients::{DEADLINE, eventually, port, protocol, restart_server, run, run_async, within};
use futures::StreamExt;
use redis::aio::ConnectionManagerConfig;
use redis::{
    AsyncCommands, Client, Commands, Connection, IntoConnectionInfo, Msg, ProtocolVersion, PushInfo,
    PushKind, RedisConnectionInfo, RedisResult, Value, cmd, pipe,
};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

fn settings() -> RedisConnectionInfo {
    match protocol() {
        None => RedisConnectionInfo::default(),
        Some(2) => RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2),
        _ => RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3),
    }
}

fn client_with(settings: RedisConnectionInfo) -> Client {
    let address = ("127.0.0.1", port()).into_connection_info().unwrap();
    Client::open(address.set_redis_settings(settings)).unwrap()
}

fn client() -> Client {
    client_with(settings())
}

fn connect() -> Connection {
    let connection = client().get_connection().unwrap();
    connection.set_read_timeout(Some(DEADLINE)).unwrap();
    connection
}

fn told(message: &Msg) -> (String, String) {
    (message.get_channel_name().to_owned(), message.get_payload().unwrap())
}

fn item(channel: &str, payload: &str) -> (String, String) {
    (channel.to_owned(), payload.to_owned())
}

/// Waits until so many listen to each of the channels, and so many patterns are there: the library does not wait for every
/// confirmation, and another connection's command may be executed before one that nobody has answered yet.
fn settled(publisher: &mut Connection, channels: &[(&str, usize)], patterns: usize) {
    eventually("all subscriptions are there", || {
        let names: Vec<_> = channels.iter().map(|(name, _)| name).collect();
        let counts: HashMap<String, usize> = cmd("PUBSUB").arg("NUMSUB").arg(names).query(publisher).unwrap();
        let found: usize = cmd("PUBSUB").arg("NUMPAT").query(publisher).unwrap();
        (found == patterns && channels.iter().all(|(name, count)| counts[*name] == *count)).then_some(())
    });
}

fn connects() {
    let mut connection = client_with(settings().set_db(2)).get_connection().unwrap();
    assert_eq!(cmd("PING").query(&mut connection), Ok("PONG".to_owned()));
    assert_eq!(cmd("ECHO").arg("hello").query(&mut connection), Ok("hello".to_owned()));
    let () = cmd("CLIENT").arg("SETNAME").arg("me").query(&mut connection).unwrap();
    assert_eq!(connection.client_getname(), Ok(Some("me".to_owned())));
    let info: String = cmd("CLIENT").arg("INFO").query(&mut connection).unwrap();
    let resp = protocol().unwrap_or(2);
    assert!(info.contains(" db=2 ") && info.contains(&format!(" resp={resp}")), "{info}");
}

fn subscribes_and_publishes() {
    let (mut publisher, mut connection) = (connect(), connect());
    let mut pubsub = connection.as_pubsub();
    pubsub.subscribe(&["news", "weather"]).unwrap();
    pubsub.psubscribe("news.*").unwrap();
    settled(&mut publisher, &[("news", 1), ("weather", 1), ("nobody", 0)], 1);
    assert_eq!(publisher.publish("news", "hello"), Ok(1));
    assert_eq!(publisher.publish("nobody", "hello"), Ok(0));
    assert_eq!(publisher.publish("news.uk", "rain"), Ok(1));
    assert_eq!(told(&pubsub.get_message().unwrap()), item("news", "hello"));
    let message = pubsub.get_message().unwrap();
    assert_eq!(told(&message), item("news.uk", "rain"));
    assert_eq!(message.get_pattern(), Ok("news.*".to_owned()));
}

fn unsubscribes() {
    let (mut publisher, mut connection) = (connect(), connect());
    {
        let mut pubsub = connection.as_pubsub();
        pubsub.subscribe(&["a", "b"]).unwrap();
        pubsub.unsubscribe("a").unwrap();
        settled(&mut publisher, &[("a", 0), ("b", 1)], 0);
        assert_eq!(publisher.publish("a", "x"), Ok(0));
        // Gives up the rest when it is dropped, with the patterns, of which there are none.
    }
    assert_eq!(publisher.publish("b", "x"), Ok(0));
    assert_eq!(cmd("ECHO").arg("hello").query(&mut connection), Ok("hello".to_owned()));
}

/// The blocking connection does not reconnect: an error tells the application to do so.
fn survives(break_connections: fn(&mut Connection)) {
    let client = client();
    let (mut publisher, mut connection) = (connect(), connect());
    let mut pubsub = connection.as_pubsub();
    pubsub.subscribe("a").unwrap();
    settled(&mut publisher, &[("a", 1)], 0);
    break_connections(&mut publisher);
    assert!(pubsub.get_message().unwrap_err().is_connection_dropped());
    let mut connection = eventually("a new connection", || client.get_connection().ok());
    let mut publisher = eventually("a new connection", || client.get_connection().ok());
    let mut pubsub = connection.as_pubsub();
    pubsub.subscribe("a").unwrap();
    settled(&mut publisher, &[("a", 1)], 0);
    assert_eq!(publisher.publish("a", "again"), Ok(1));
    assert_eq!(told(&pubsub.get_message().unwrap()), item("a", "again"));
}

fn survives_client_kill() {
    survives(|publisher| {
        let killed: usize = cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query(publisher).unwrap();
        assert_eq!(killed, 1);
    });
}

fn survives_a_restart() {
    survives(|_| restart_server());
}

fn pipelines_and_transactions() {
    let (mut publisher, mut connection) = (connect(), connect());
    let mut pubsub = connection.as_pubsub();
    pubsub.subscribe("a").unwrap();
    settled(&mut publisher, &[("a", 1)], 0);
    for atomic in [false, true] {
        let mut pipeline = pipe();
        if atomic {
            pipeline.atomic();
        }
        for number in 0..100 {
            pipeline.publish("a", number);
        }
        assert_eq!(pipeline.query(&mut publisher), Ok(vec![1; 100]));
        for number in 0..100 {
            assert_eq!(told(&pubsub.get_message().unwrap()), item("a", &number.to_string()));
        }
    }
}

fn any_bytes() {
    let (mut publisher, mut connection) = (connect(), connect());
    let everything: Vec<u8> = (0..=255).collect();
    let mut pubsub = connection.as_pubsub();
    pubsub.subscribe(&everything[..]).unwrap();
    eventually("it is delivered", || {
        (publisher.publish(&everything[..], &everything[..]) == Ok(1)).then_some(())
    });
    let message = pubsub.get_message().unwrap();
    assert_eq!(message.get_channel(), Ok(everything.clone()));
    assert_eq!(message.get_payload_bytes(), everything);
}

fn raises_errors() {
    let error = cmd("NOSUCH").arg("a").exec(&mut connect()).unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
}

async fn asynchronously() {
    let client = client();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let (mut sink, mut stream) = client.get_async_pubsub().await.unwrap().split();
    sink.subscribe(&["news", "weather"]).await.unwrap();
    sink.psubscribe("news.*").await.unwrap();
    let () = sink.ping().await.map(|_: Value| ()).unwrap();
    assert_eq!(publisher.publish("news", "hello").await, Ok(1));
    assert_eq!(publisher.publish("news.uk", "rain").await, Ok(1));
    assert_eq!(told(&stream.next().await.unwrap()), item("news", "hello"));
    assert_eq!(told(&stream.next().await.unwrap()), item("news.uk", "rain"));
    for atomic in [false, true] {
        let mut pipeline = pipe();
        if atomic {
            pipeline.atomic();
        }
        let counts: RedisResult<Vec<i64>> =
            pipeline.publish("weather", "x").publish("nobody", "x").query_async(&mut publisher).await;
        assert_eq!(counts, Ok(vec![1, 0]));
        assert_eq!(told(&stream.next().await.unwrap()), item("weather", "x"));
    }
    sink.unsubscribe("news").await.unwrap();
    assert_eq!(publisher.publish("news", "hello").await, Ok(0));
    restart_server();
    assert!(stream.next().await.is_none(), "the stream ends with its connection");
}

async fn expect_push(pushes: &mut UnboundedReceiver<PushInfo>, kind: PushKind, data: &[&str]) {
    loop {
        let push = within("a push", pushes.recv()).await.unwrap();
        // The library's own word for what it noticed.
        if push.kind == PushKind::Disconnection {
            continue;
        }
        let got: Vec<String> =
            push.data.into_iter().map(|value| redis::from_redis_value(value).unwrap()).collect();
        assert_eq!((push.kind, got), (kind, data.iter().map(|item| (*item).to_owned()).collect()));
        return;
    }
}

/// Subscribes again by itself, in RESP3 only; shard channels too, which the blocking interface does not have.
async fn connection_manager() {
    if protocol() != Some(3) {
        return;
    }
    let client = client();
    let (sender, mut pushes) = unbounded_channel();
    let config = ConnectionManagerConfig::new().set_push_sender(sender).set_automatic_resubscription();
    let mut manager = client.get_connection_manager_with_config(config).await.unwrap();
    let mut publisher = client.get_connection_manager().await.unwrap();
    manager.subscribe("a").await.unwrap();
    expect_push(&mut pushes, PushKind::Subscribe, &["a", "1"]).await;
    manager.psubscribe("b*").await.unwrap();
    expect_push(&mut pushes, PushKind::PSubscribe, &["b*", "2"]).await;
    // Ordinary commands go on.
    assert_eq!(manager.publish("a", "hello").await, Ok(1));
    expect_push(&mut pushes, PushKind::Message, &["a", "hello"]).await;
    for restart in [false, true] {
        if restart {
            restart_server();
        } else {
            let killed: RedisResult<i64> =
                cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut publisher).await;
            assert_eq!(killed, Ok(1));
        }
        // It notices when it is asked something; the publisher too.
        eventually!("it has subscribed again", {
            let _: RedisResult<Value> = cmd("PING").query_async(&mut manager).await;
            let patterns: RedisResult<i64> = cmd("PUBSUB").arg("NUMPAT").query_async(&mut publisher).await;
            patterns == Ok(1)
        });
        expect_push(&mut pushes, PushKind::Subscribe, &["a", "1"]).await;
        expect_push(&mut pushes, PushKind::PSubscribe, &["b*", "2"]).await;
        assert_eq!(publisher.publish("a", "again").await, Ok(1));
        assert_eq!(publisher.publish("bb", "again").await, Ok(1));
        expect_push(&mut pushes, PushKind::Message, &["a", "again"]).await;
        expect_push(&mut pushes, PushKind::PMessage, &["b*", "bb", "again"]).await;
    }
    let () = cmd("SSUBSCRIBE").arg("orders").query_async(&mut manager).await.unwrap();
    expect_push(&mut pushes, PushKind::SSubscribe, &["orders", "1"]).await;
    assert_eq!(publisher.spublish("orders", "hello").await, Ok(1));
    expect_push(&mut pushes, PushKind::SMessage, &["orders", "hello"]).await;
}

fn main() {
    run![
        connects,
        subscribes_and_publishes,
        unsubscribes,
        survives_client_kill,
        survives_a_restart,
        pipelines_and_transactions,
        any_bytes,
        raises_errors,
    ];
    run_async![asynchronously, connection_manager];
}
