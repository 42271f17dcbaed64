//! fred as applications use it: a client to publish, and the SubscriberClient, which subscribes again by itself.

use clients::{eventually, port, protocol, restart_server, run_async, within};
use fred::clients::SubscriberClient;
use fred::interfaces::{ClientLike, EventInterface, PubsubInterface, TransactionInterface};
use fred::prelude::{Builder, Client, Config, ReconnectPolicy, Server, ServerConfig};
use fred::types::config::PerformanceConfig;
use fred::types::{ClusterHash, CustomCommand, Message, MessageKind, RespVersion, Value};
use tokio::sync::broadcast::Receiver;

fn builder() -> Builder {
    let mut config = Config {
        server: ServerConfig::Centralized { server: Server::new("127.0.0.1", port()) },
        ..Config::default()
    };
    if let Some(number) = protocol() {
        config.version = if number == 3 { RespVersion::RESP3 } else { RespVersion::RESP2 };
    }
    let mut builder = Builder::from_config(config);
    builder.set_policy(ReconnectPolicy::new_constant(0, 10));
    // Room for all messages of a check.
    builder.set_performance_config(PerformanceConfig {
        broadcast_channel_capacity: 1024,
        ..PerformanceConfig::default()
    });
    builder
}

async fn connect() -> Client {
    let client = builder().build().unwrap();
    within("connect", client.init()).await.unwrap();
    client
}

async fn subscriber() -> (SubscriberClient, Receiver<Message>) {
    let client = builder().build_subscriber_client().unwrap();
    within("connect", client.init()).await.unwrap();
    client.manage_subscriptions();
    let messages = client.message_rx();
    (client, messages)
}

async fn ask(client: &Client, command: &'static str, args: &[&str]) -> Value {
    let command = CustomCommand::new_static(command, ClusterHash::FirstKey, false);
    client.custom(command, args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()).await.unwrap()
}

async fn expect(messages: &mut Receiver<Message>, kind: MessageKind, channel: &str, payload: &str) {
    let message = within("a message", messages.recv()).await.unwrap();
    assert_eq!(message.kind, kind);
    assert_eq!(message.channel.to_string(), channel);
    assert_eq!(message.value.as_string().unwrap(), payload);
}

/// Waits until these are the channels, and so many patterns are there: the library does not wait for every confirmation,
/// and another connection's command may be executed before one that nobody has answered yet.
async fn settled(publisher: &Client, channels: &[&str], shard_channels: &[&str], patterns: i64) {
    eventually!("all subscriptions are there", {
        // Errors while the server is away.
        let mut found: Vec<String> = publisher.pubsub_channels("*").await.unwrap_or_default();
        found.sort();
        let shards: Vec<String> = publisher.pubsub_shardchannels("*").await.unwrap_or_default();
        found == channels
            && shards == shard_channels
            && publisher.pubsub_numpat::<i64>().await.ok() == Some(patterns)
    });
}

async fn connects() {
    let client = connect().await;
    assert_eq!(ask(&client, "PING", &[]).await.as_string().unwrap(), "PONG");
    assert_eq!(ask(&client, "ECHO", &["hello"]).await.as_string().unwrap(), "hello");
    let info = ask(&client, "CLIENT", &["INFO"]).await.as_string().unwrap();
    assert!(info.contains(&format!(" resp={}", protocol().unwrap_or(2))), "{info}");
    client.quit().await.unwrap();
}

async fn subscribes_and_publishes() {
    let (publisher, (sub, mut messages)) = (connect().await, subscriber().await);
    sub.subscribe(vec!["news", "weather"]).await.unwrap();
    sub.psubscribe("news.*").await.unwrap();
    sub.ssubscribe("orders").await.unwrap();
    settled(&publisher, &["news", "weather"], &["orders"], 1).await;
    assert_eq!(publisher.publish::<i64, _, _>("news", "hello").await.unwrap(), 1);
    assert_eq!(publisher.publish::<i64, _, _>("nobody", "hello").await.unwrap(), 0);
    assert_eq!(publisher.publish::<i64, _, _>("news.uk", "rain").await.unwrap(), 1);
    assert_eq!(publisher.spublish::<i64, _, _>("orders", "tea").await.unwrap(), 1);
    expect(&mut messages, MessageKind::Message, "news", "hello").await;
    expect(&mut messages, MessageKind::PMessage, "news.uk", "rain").await;
    expect(&mut messages, MessageKind::SMessage, "orders", "tea").await;
    sub.unsubscribe("news").await.unwrap();
    sub.punsubscribe("news.*").await.unwrap();
    sub.sunsubscribe("orders").await.unwrap();
    settled(&publisher, &["weather"], &[], 0).await;
    assert_eq!(publisher.publish::<i64, _, _>("news", "hello").await.unwrap(), 0);
    assert_eq!(publisher.publish::<i64, _, _>("news.uk", "rain").await.unwrap(), 0);
    assert_eq!(publisher.spublish::<i64, _, _>("orders", "tea").await.unwrap(), 0);
    assert_eq!(publisher.publish::<i64, _, _>("weather", "sun").await.unwrap(), 1);
    expect(&mut messages, MessageKind::Message, "weather", "sun").await;
    sub.quit().await.unwrap();
    publisher.quit().await.unwrap();
}

async fn recovers(restart: bool) {
    let (publisher, (sub, mut messages)) = (connect().await, subscriber().await);
    sub.subscribe("a").await.unwrap();
    sub.psubscribe("b*").await.unwrap();
    settled(&publisher, &["a"], &[], 1).await;
    if restart {
        restart_server();
    } else {
        assert_eq!(ask(&publisher, "CLIENT", &["KILL", "TYPE", "pubsub"]).await.as_i64(), Some(1));
    }
    settled(&publisher, &["a"], &[], 1).await;
    assert_eq!(publisher.publish::<i64, _, _>("a", "again").await.unwrap(), 1);
    assert_eq!(publisher.publish::<i64, _, _>("bb", "again").await.unwrap(), 1);
    expect(&mut messages, MessageKind::Message, "a", "again").await;
    expect(&mut messages, MessageKind::PMessage, "bb", "again").await;
    sub.quit().await.unwrap();
    publisher.quit().await.unwrap();
}

async fn survives_client_kill() {
    recovers(false).await;
}

async fn survives_a_restart() {
    recovers(true).await;
}

async fn pipelines_and_transactions() {
    let (publisher, (sub, mut messages)) = (connect().await, subscriber().await);
    sub.subscribe("a").await.unwrap();
    settled(&publisher, &["a"], &[], 0).await;
    let pipeline = publisher.pipeline();
    for number in 0..100 {
        let () = pipeline.publish("a", number).await.unwrap();
    }
    assert_eq!(pipeline.all::<Vec<i64>>().await.unwrap(), [1; 100]);
    let transaction = publisher.multi();
    for number in 100..200 {
        let () = transaction.publish("a", number).await.unwrap();
    }
    assert_eq!(transaction.exec::<Vec<i64>>(true).await.unwrap(), [1; 100]);
    for number in 0..200 {
        expect(&mut messages, MessageKind::Message, "a", &number.to_string()).await;
    }
    sub.quit().await.unwrap();
    publisher.quit().await.unwrap();
}

async fn raises_errors() {
    let client = connect().await;
    let command = CustomCommand::new_static("NOSUCH", ClusterHash::FirstKey, false);
    let error = client.custom::<Value, _>(command, vec!["a"]).await.unwrap_err();
    assert!(error.to_string().contains("unknown command"), "{error}");
    client.quit().await.unwrap();
}

fn main() {
    run_async![
        connects,
        subscribes_and_publishes,
        survives_client_kill,
        survives_a_restart,
        pipelines_and_transactions,
        raises_errors,
    ];
}
