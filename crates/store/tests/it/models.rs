//! Providers and models.

use crate::support::{
    START, assert_conflict, commit, id, insert_provider, model, provider, read, refused, sealed, store,
};
use api::models::ProviderType;
use store::{models::*, providers::*};
use testkit::both_engines;

both_engines! {
    async fn a_provider_is_read_back_and_updated(db: TestDb) {
        for (name, provider_type) in
            [("One", ProviderType::Openai), ("Two", ProviderType::Anthropic), ("Three", ProviderType::Demo)]
        {
            let mut record = provider(name);
            record.provider_type = provider_type;
            record.api_key = sealed(b"key", "0123456789abcdef");
            commit!(db, |write| provider_insert(write, &record));
            let found = read!(db, |session| provider_get(session, record.id)).unwrap();
            assert_eq!(format!("{found:?}"), format!("{record:?}"));
            record.base_url = "https://other.example.org".to_owned();
            record.api_key = store::SealedColumn::default();
            record.enabled = false;
            record.updated_at = START.plus_seconds(1);
            commit!(db, |write| provider_update(write, &record));
            let found = read!(db, |session| provider_get(session, record.id)).unwrap();
            assert_eq!(format!("{found:?}"), format!("{record:?}"));
        }
        let names: Vec<String> =
            read!(db, |session| provider_list(session)).into_iter().map(|record| record.name).collect();
        assert_eq!(names, ["One", "Three", "Two"]);
        assert!(read!(db, |session| provider_get(session, id())).is_none());
    }

    async fn provider_names_are_unique_whatever_their_case(db: TestDb) {
        insert_provider(&db, "OpenAI").await;
        assert_conflict(&refused!(db, |write| provider_insert(write, &provider("openai"))), "name");
        let mut other = insert_provider(&db, "Other").await;
        other.name = "OPENAI".to_owned();
        assert_conflict(&refused!(db, |write| provider_update(write, &other)), "name");
    }

    async fn a_model_is_read_back_with_its_providers_switch(db: TestDb) {
        let mut owner = insert_provider(&db, "P").await;
        let record = model(&owner, "m-1");
        commit!(db, |write| model_insert(write, &record));
        let found = read!(db, |session| model_get(session, record.id)).unwrap();
        assert_eq!(format!("{found:?}"), format!("{record:?}"));
        owner.enabled = false;
        commit!(db, |write| provider_update(write, &owner));
        assert!(!read!(db, |session| model_get(session, record.id)).unwrap().provider_enabled);
    }

    async fn a_model_update_writes_every_field(db: TestDb) {
        let owner = insert_provider(&db, "P").await;
        let mut record = model(&owner, "m-1");
        commit!(db, |write| model_insert(write, &record));
        record.model = "m-2".to_owned();
        record.display_name = "Second".to_owned();
        record.context_limit = 1;
        record.max_output_tokens = 2;
        record.enabled = false;
        record.is_default = true;
        record.updated_at = START.plus_seconds(3);
        commit!(db, |write| model_update(write, &record));
        let found = read!(db, |session| model_get(session, record.id)).unwrap();
        assert_eq!(format!("{found:?}"), format!("{record:?}"));
    }

    async fn a_provider_has_each_model_once_and_the_model_needs_its_provider(db: TestDb) {
        let (one, two) = (insert_provider(&db, "One").await, insert_provider(&db, "Two").await);
        commit!(db, |write| model_insert(write, &model(&one, "m")));
        commit!(db, |write| model_insert(write, &model(&two, "m")));
        assert_conflict(&refused!(db, |write| model_insert(write, &model(&one, "m"))), "model");
        let nobody = provider("Nobody");
        let error = refused!(db, |write| model_insert(write, &model(&nobody, "m")));
        assert!(matches!(error, store::StoreError::Conflict { .. }), "{error:?}");
    }

    async fn at_most_one_model_is_the_default(db: TestDb) {
        let owner = insert_provider(&db, "P").await;
        let (mut first, mut second) = (model(&owner, "a"), model(&owner, "b"));
        first.is_default = true;
        second.is_default = true;
        commit!(db, |write| model_insert(write, &first));
        assert_conflict(&refused!(db, |write| model_insert(write, &second)), "default");
        let mut write = db.write().await.unwrap();
        model_default_clear(&mut write).await.unwrap();
        model_insert(&mut write, &second).await.unwrap();
        write.commit().await.unwrap();
        let defaults: Vec<_> =
            read!(db, |session| model_list(session)).into_iter().filter(|record| record.is_default).map(|record| record.id).collect();
        assert_eq!(defaults, [second.id]);
    }

    async fn models_are_listed_with_the_default_first_then_by_name(db: TestDb) {
        let owner = insert_provider(&db, "P").await;
        for (name, is_default) in [("zulu", false), ("Alpha", false), ("mike", true)] {
            let mut record = model(&owner, name);
            record.display_name = name.to_owned();
            record.is_default = is_default;
            commit!(db, |write| model_insert(write, &record));
        }
        let names: Vec<String> =
            read!(db, |session| model_list(session)).into_iter().map(|record| record.display_name).collect();
        assert_eq!(names, ["mike", "Alpha", "zulu"]);
    }

    async fn a_chat_without_a_model_gets_the_default_if_it_may_act_else_the_oldest_that_may(db: TestDb) {
        assert!(read!(db, |session| model_default(session)).is_none());
        let mut owner = insert_provider(&db, "P").await;
        let (mut default, mut older, mut younger) = (model(&owner, "d"), model(&owner, "o"), model(&owner, "y"));
        default.is_default = true;
        default.created_at = START.plus_seconds(9);
        older.created_at = START.plus_seconds(1);
        younger.created_at = START.plus_seconds(2);
        for record in [&default, &younger, &older] {
            commit!(db, |write| model_insert(write, record));
        }
        let chosen = read!(db, |session| model_default(session)).unwrap();
        assert_eq!(chosen.id, default.id);
        default.enabled = false;
        commit!(db, |write| model_update(write, &default));
        assert_eq!(read!(db, |session| model_default(session)).unwrap().id, older.id);
        owner.enabled = false;
        commit!(db, |write| provider_update(write, &owner));
        assert!(read!(db, |session| model_default(session)).is_none());
    }

    async fn a_deleted_provider_takes_its_models_and_chats_keep_their_rows(db: TestDb) {
        let owner = insert_provider(&db, "P").await;
        let record = model(&owner, "m");
        commit!(db, |write| model_insert(write, &record));
        let user = crate::support::insert_user(&db, "ada").await;
        let mut chat = crate::support::chat(user.user.id, api::chats::ChatStatus::Waiting);
        chat.model_config_id = Some(record.id);
        commit!(db, |write| store::chats::chat_insert(write, &chat));
        assert!(commit!(db, |write| provider_delete(write, owner.id)));
        assert!(!commit!(db, |write| provider_delete(write, owner.id)));
        assert!(read!(db, |session| model_get(session, record.id)).is_none());
        assert_eq!(read!(db, |session| store::chats::chat_get_any(session, chat.id)).unwrap().model_config_id, None);
    }

    async fn a_model_is_deleted_once(db: TestDb) {
        let owner = insert_provider(&db, "P").await;
        let record = model(&owner, "m");
        commit!(db, |write| model_insert(write, &record));
        assert!(commit!(db, |write| model_delete(write, record.id)));
        assert!(!commit!(db, |write| model_delete(write, record.id)));
    }
}
