//! Settings.

use crate::support::{commit, read, store};
use store::settings::*;
use testkit::both_engines;

both_engines! {
    async fn a_setting_is_put_replaced_and_removed(db: TestDb) {
        assert_eq!(read!(db, |session| setting_get(session, "colour")), None);
        for value in ["red", "", "blue \u{1f499}"] {
            commit!(db, |write| setting_put(write, "colour", value));
            assert_eq!(read!(db, |session| setting_get(session, "colour")).as_deref(), Some(value));
        }
        assert_eq!(read!(db, |session| setting_get(session, "Colour")), None);
        assert!(commit!(db, |write| setting_delete(write, "colour")));
        assert!(!commit!(db, |write| setting_delete(write, "colour")));
    }
}
