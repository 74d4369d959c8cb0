use super::*;
use api::{Timestamp, Uuid};

fn create(email: &str, username: &str, password: &str) -> UserCreate {
    UserCreate {
        email: email.into(),
        username: username.into(),
        password: password.into(),
        ..UserCreate::default()
    }
}

const GOOD: &str = "stapled horse battery";

fn fields<T: fmt::Debug>(result: Result<T, Vec<Validation>>) -> Vec<String> {
    result.unwrap_err().into_iter().map(|problem| problem.field).collect()
}

#[test]
fn a_valid_account_is_trimmed_and_a_member() {
    let mut wanted = create(" ada@example.com ", " ada.l ", GOOD);
    wanted.name = " Ada Lovelace ".into();
    let user = validate_user_create(&wanted).unwrap();
    assert_eq!((user.email.as_str(), user.username.as_str()), ("ada@example.com", "ada.l"));
    assert_eq!((user.name.as_str(), user.roles.as_slice()), ("Ada Lovelace", [Role::Member].as_slice()));
    assert!(!format!("{user:?}").contains("stapled"));
}

#[test]
fn every_mistake_comes_in_one_answer() {
    let mut wanted = create("nonsense", "white space", "short");
    wanted.name = "x".repeat(129);
    wanted.roles = vec!["king".into()];
    assert_eq!(fields(validate_user_create(&wanted)), ["email", "username", "name", "password", "roles"]);
    assert_eq!(fields(validate_user_create(&UserCreate::default())), ["email", "username", "password"]);
}

#[test]
fn emails() {
    for good in ["a@b", "ada@localhost", "ada.l+x@mail.example.com", "ü@müller.example", "o'neil@example.com"]
    {
        assert!(check_email(good).is_ok(), "{good}");
    }
    let long = format!("{}@example.com", "x".repeat(65));
    for bad in [
        "", "ada", "@b", "a@", "a@@b", "a b@c", "a@b c", "a@b..c", "a@.b", "a@-b", "a@b-", "<a@b>", "a@b\n",
        "a\0@b", "a,b@c", &long,
    ] {
        // Trimming makes the one with the line break valid.
        assert_eq!(check_email(bad).is_ok(), bad == "a@b\n", "{bad:?}");
    }
}

#[test]
fn usernames() {
    for good in ["a", "Ada-L_1.x", &"x".repeat(64)] {
        assert!(check_username(good).is_ok(), "{good}");
    }
    for bad in ["", " ", "a b", "ada/x", "ädä", "a@b", &"x".repeat(65)] {
        assert!(check_username(bad).is_err(), "{bad}");
    }
}

#[test]
fn passwords() {
    let check = |password: &str| check_password(password, "ada@example.com", "ada.l");
    assert_eq!(check(GOOD), Ok(()));
    assert_eq!(check("äbcdefghijkm"), Ok(()));
    assert_eq!(check(&GOOD.repeat(7)[..128]), Ok(()));
    for (bad, why) in [
        ("", "Enter"),
        ("elevenchars", "at least 12"),
        (&"ab".repeat(65), "at most 128"),
        ("my ADA@example.com pw", "email"),
        ("xx Ada.L yy 12345", "user name"),
        ("PasswordPassword", "attackers"),
        ("zzzzzzzzzzzzzz", "attackers"),
        ("1234567890123", "attackers"),
    ] {
        let detail = check(bad).unwrap_err();
        assert!(detail.contains(why), "{bad}: {detail}");
    }
    // A one-letter user name is in nearly every text.
    assert_eq!(check_password(GOOD, "", "a"), Ok(()));
}

#[test]
fn the_list_of_common_passwords_is_not_inert() {
    for common in ["password1234", "administrator", "qwertyuiop12"] {
        assert!(check_password(common, "", "").unwrap_err().contains("attackers"), "{common}");
    }
}

#[test]
fn the_first_owner_needs_a_token() {
    let mut first = FirstUserCreate {
        email: "ada@example.com".into(),
        username: "ada".into(),
        password: GOOD.into(),
        setup_token: "t".into(),
        ..FirstUserCreate::default()
    };
    assert_eq!(validate_first_user(&first).unwrap().roles, [Role::Owner]);
    first.setup_token = " ".into();
    assert_eq!(fields(validate_first_user(&first)), ["setup_token"]);
    assert_eq!(
        fields(validate_first_user(&FirstUserCreate::default())),
        ["email", "username", "password", "setup_token"]
    );
}

fn user() -> User {
    User {
        id: Uuid::from_u128(1),
        email: "ada@example.com".into(),
        username: "ada".into(),
        name: "Ada".into(),
        roles: vec![Role::Member, Role::Auditor],
        status: UserStatus::Active,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
    }
}

#[test]
fn updates_keep_what_is_omitted() {
    let change = validate_user_update(&user(), &UserUpdate::default()).unwrap();
    assert_eq!(change.changed, Vec::<&str>::new());
    assert_eq!((change.email.as_str(), change.password), ("ada@example.com", None));

    let update = UserUpdate {
        name: Some(String::new()),
        roles: Some(vec!["auditor".into(), "member".into(), "member".into()]),
        status: Some("suspended".into()),
        ..UserUpdate::default()
    };
    let change = validate_user_update(&user(), &update).unwrap();
    assert_eq!(change.changed, ["name", "status"], "the same roles in another order are no change");
    assert_eq!(change.roles, [Role::Auditor, Role::Member]);
}

#[test]
fn updates_are_validated() {
    let update = UserUpdate {
        email: Some(String::new()),
        username: Some("a b".into()),
        password: Some("short".into()),
        roles: Some(vec![]),
        status: Some("gone".into()),
        ..UserUpdate::default()
    };
    assert_eq!(
        fields(validate_user_update(&user(), &update)),
        ["email", "username", "password", "roles", "status"]
    );
    let own_name = UserUpdate { password: Some("hello ada hello".into()), ..UserUpdate::default() };
    assert_eq!(fields(validate_user_update(&user(), &own_name)), ["password"]);
}

#[test]
fn tokens() {
    let token = |name: &str, lifetime_seconds| TokenCreate { token_name: name.into(), lifetime_seconds };
    assert_eq!(validate_token_create(&token(" ci ", 0)), Ok(("ci".to_owned(), 30 * 86_400)));
    assert_eq!(validate_token_create(&token("ci", 60)), Ok(("ci".to_owned(), 60)));
    assert_eq!(fields(validate_token_create(&token("", -1))), ["token_name", "lifetime_seconds"]);
    assert_eq!(fields(validate_token_create(&token("x", i64::MAX))), ["lifetime_seconds"]);
}

#[test]
fn every_role_and_action() {
    let table = [
        (Action::ServersWrite, "owner admin"),
        (Action::ServersReadAll, "owner admin auditor"),
        (Action::ModelsWrite, "owner admin"),
        (Action::ModelsReadAll, "owner admin auditor"),
        (Action::UsersManage, "owner admin"),
        (Action::OwnersManage, "owner"),
        (Action::GroupsManage, "owner admin"),
        (Action::GroupsRead, "owner admin auditor"),
        (Action::AuditRead, "owner admin auditor"),
        (Action::KeysRead, "owner admin auditor"),
        (Action::EgressAllowRead, "owner admin auditor"),
        (Action::EgressAllowWrite, "owner"),
        (Action::ChatSettingsRead, "owner admin auditor"),
        (Action::ChatSettingsWrite, "owner admin"),
    ];
    assert_eq!(table.map(|(action, _)| action), Action::ALL);
    for (action, allowed) in table {
        for role in Role::ALL {
            let expected = allowed.split(' ').any(|name| name == role.as_str());
            assert_eq!(can(&[role], action), expected, "{role:?} {action:?}");
            assert_eq!(can(&[Role::Member, role], action), expected, "{role:?} {action:?}");
        }
        assert!(!can(&[], action));
    }
}

#[test]
fn only_owners_change_owners() {
    use Role::{Admin, Auditor, Member, Owner};
    for (actor, target, wanted, allowed) in [
        (Owner, vec![Owner], vec![Member], true),
        (Owner, vec![Member], vec![Owner], true),
        (Admin, vec![Member], vec![Admin], true),
        (Admin, vec![Admin], vec![], true),
        (Admin, vec![Owner], vec![Owner], false),
        (Admin, vec![Owner], vec![], false),
        (Admin, vec![Member], vec![Member, Owner], false),
        (Auditor, vec![Member], vec![Member], false),
        (Member, vec![Member], vec![Member], false),
    ] {
        assert_eq!(can_manage_user(&[actor], &target, &wanted), allowed, "{actor:?} {target:?} {wanted:?}");
    }
}
