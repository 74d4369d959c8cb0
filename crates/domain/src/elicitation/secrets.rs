//! Which fields look as if they wanted a secret (I5).

use serde_json::{Map, Value};

/// Words that stand for a secret wherever they are, written together.
const ANYWHERE: [&str; 27] = [
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "apikey",
    "secretkey",
    "accesskey",
    "privatekey",
    "accesstoken",
    "authtoken",
    "bearertoken",
    "refreshtoken",
    "clientsecret",
    "creditcard",
    "cardnumber",
    "securitycode",
    "verificationcode",
    "recoverycode",
    "onetimecode",
    "seedphrase",
    "passwort",
    "kennwort",
    "motdepasse",
    "contraseña",
    "пароль",
    "密码",
    "パスワード",
];
/// Words that stand for a secret as a word of a name: within another word they mean nothing (`tokenizer`, `pinned`, `cvcs`).
const WORDS: [&str; 16] = [
    "secret",
    "token",
    "credential",
    "credentials",
    "pwd",
    "pin",
    "otp",
    "totp",
    "mfa",
    "cvv",
    "cvc",
    "ssn",
    "iban",
    "senha",
    "jwt",
    "pat",
];
/// What a key is of when it is no secret: `issue key`, `sort key`. A bare `key` is one until proven otherwise.
const SECRET_KEYS: [&str; 13] = [
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "authentication",
    "encryption",
    "signing",
    "ssh",
    "gpg",
    "license",
    "master",
    "account",
];

/// Judges by name and title; of the description only phrases count that name a secret outright, since helpful texts mention tokens for
/// many reasons.
pub(super) fn looks_secret(name: &str, property: &Map<String, Value>) -> bool {
    let text = |key: &str| property.get(key).and_then(Value::as_str).unwrap_or_default();
    text("format").eq_ignore_ascii_case("password")
        || property.get("writeOnly").is_some_and(|value| value == true)
        || [name, text("title")].into_iter().any(names_secret)
        || holds_phrase(text("description"))
}

fn names_secret(text: &str) -> bool {
    // Once as written and once as it looks: `пароль` is found by its own letters, `pаssword` by those it imitates.
    [words(text, |c| c), words(text, latin)].iter().any(|words| names_secret_in(words))
}

fn names_secret_in(words: &[String]) -> bool {
    let asks_for_key = match words.iter().position(|word| word == "key") {
        None => false,
        Some(0) => words.len() == 1,
        Some(at) => SECRET_KEYS.contains(&words[at - 1].as_str()),
    };
    asks_for_key
        || words.iter().any(|word| WORDS.contains(&word.as_str()))
        || holds_phrase_in(&words.concat())
}

fn holds_phrase(text: &str) -> bool {
    holds_phrase_in(&words(text, |c| c).concat()) || holds_phrase_in(&words(text, latin).concat())
}

fn holds_phrase_in(squeezed: &str) -> bool {
    ANYWHERE.iter().any(|word| squeezed.contains(word))
}

/// Lower-case words of `apiKey`, `API_KEY`, `api-key`, `Your API key`. Characters that cannot be seen do not part words: `pass\u{200b}word` reads
/// like one.
fn words(text: &str, read: fn(char) -> char) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before_lower = false;
    for c in text.chars().filter(|c| !crate::text::is_invisible(*c)).map(read) {
        if !c.is_alphanumeric() {
            words.push(String::new());
        } else {
            if c.is_uppercase() && before_lower {
                words.push(String::new());
            }
            if let Some(word) = words.last_mut() {
                word.extend(c.to_lowercase());
            }
        }
        before_lower = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The Latin letter that a Cyrillic, Greek or full-width one looks like.
fn latin(c: char) -> char {
    match c {
        'а' => 'a',
        'е' => 'e',
        'о' | 'ο' => 'o',
        'р' | 'ρ' => 'p',
        'с' => 'c',
        'ѕ' => 's',
        'і' | 'ι' => 'i',
        'у' => 'y',
        'к' | 'κ' => 'k',
        'ԝ' => 'w',
        'ԁ' => 'd',
        'Ａ'..='Ｚ' | 'ａ'..='ｚ' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn asks(name: &str, property: &Value) -> bool {
        looks_secret(name, property.as_object().unwrap())
    }

    #[test]
    fn names_and_titles() {
        for secret in [
            "password",
            "userPassword",
            "PASSWORD",
            "db_passwd",
            "pass word",
            "api_key",
            "apiKey",
            "APIKey",
            "OpenAI API key",
            "key",
            "Key",
            "secret",
            "client-secret",
            "github_token",
            "accessToken",
            "token",
            "PIN",
            "otp",
            "cvv",
            "card_number",
            "creditCardNo",
            "private key",
            "ssh key",
            "Passwort",
            "contraseña",
            "Пароль",
            "パスワード",
            "ｐａｓｓｗｏｒｄ",
            "pаssword",
            "pass\u{200b}word",
            "p-a-s-s-w-o-r-d",
            "passphrase",
            "license_key",
            "verification code",
        ] {
            assert!(asks(secret, &json!({})), "{secret}");
            assert!(asks("field1", &json!({"title": secret})), "{secret}");
        }
        for plain in [
            "name",
            "issue_key",
            "issueKey",
            "sort key",
            "primaryKey",
            "keyword",
            "keyboard",
            "monkey",
            "tokens",
            "maxTokens",
            "tokenizer",
            "secretary",
            "pinned",
            "spin",
            "email",
            "compass",
            "passenger",
            "bypass",
            "cardinality",
            "postcode",
            "country_code",
            "patch",
            "path",
            "key_name",
            "",
        ] {
            assert!(!asks(plain, &json!({})), "{plain}");
        }
    }

    #[test]
    fn other_signs() {
        assert!(asks("value", &json!({"format": "password"})));
        assert!(asks("value", &json!({"writeOnly": true})));
        assert!(asks("value", &json!({"description": "Paste your API key here"})));
        assert!(asks("value", &json!({"description": "The credit-card number"})));
        assert!(!asks(
            "value",
            &json!({"description": "How many tokens the summary may have; the key point comes first"})
        ));
    }
}
