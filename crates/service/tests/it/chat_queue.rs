//! Messages that wait, where a whole server cannot be brought to: a failed chat with a full queue, and the seconds of a wait.

use crate::bench::Bench;
use api::{
    chats::{ChatCreate, ChatStatus, InputPart, MessageCreate},
    messages::Part,
    users::Role,
};
use std::time::Duration;
use store::chats::{
    NewQueued, QueuePlace, Transition, chat_get_any, chat_transition, queue_insert, queue_list,
};
use testkit::both_engines;

fn words(text: &str) -> Vec<InputPart> {
    vec![InputPart::Text { text: text.to_owned() }]
}

both_engines! {
    async fn a_failed_chat_with_a_full_queue_takes_one_more_since_its_head_goes(db: TestDb) {
        let bench = Bench::new(db).await;
        let (ctx, _) = bench.signed_in("ada", Role::Member).await;
        // Without a model every turn fails, and what waits is held.
        let request = ChatCreate { content: words("first"), ..ChatCreate::default() };
        let chat = bench.service.chat_create(&ctx, request, None).await.unwrap().chat.id;
        let wait = Duration::from_secs(20);
        let (_, failed) = bench.service.turn_wait(&ctx, chat, 1, wait).await.unwrap();
        assert_eq!(failed.status, ChatStatus::Error);
        let mut write = bench.db.write().await.unwrap();
        for n in 0..100 {
            let record = chat_get_any(&mut write, chat).await.unwrap().unwrap();
            let step = Transition::stay(&record, record.updated_at).queue(1);
            chat_transition(&mut write, &record.fence(), &step).await.unwrap().unwrap();
            let new = NewQueued {
                plan_mode: None,
                chat_id: chat, content: vec![Part::text(format!("m{n}"))], size: 5242, model_config_id: None,
                mcp_server_ids: None, created_at: record.updated_at,
            };
            queue_insert(&mut write, QueuePlace::Last, new).await.unwrap();
        }
        write.commit().await.unwrap();
        // Count and size are those without the head.
        let request = MessageCreate { content: words("one more"), ..MessageCreate::default() };
        let sent = bench.service.message_send(&ctx, chat, request, None).await.unwrap();
        assert!(sent.queued);
        let queue = queue_list(&mut bench.db.read().await.unwrap(), chat).await.unwrap();
        assert_eq!(queue.len(), 100);
        assert_eq!(queue[0].content, [Part::text("m1")]);
        assert_eq!(queue[99].content, [Part::text("one more")]);
    }
}
