//! A card as REST and the stream show it.

use super::{Choice, Elicitation, Field, FieldKind, LinkWarning};
use api::actions::{Question, QuestionField, QuestionOption};
use serde_json::Value;

impl Elicitation {
    /// What is shown to the person. Every text of it is neutral already.
    pub fn to_wire(&self) -> Question {
        let question = Question {
            message: self.message().to_owned(),
            fields: Vec::new(),
            url: None,
            host: String::new(),
            warnings: Vec::new(),
        };
        match self {
            Self::Form { fields, .. } => {
                Question { fields: fields.iter().map(Field::to_wire).collect(), ..question }
            }
            Self::Url { link, .. } => {
                let unicode = link.unicode_host.as_ref().map(|shown| format!(" ({shown})"));
                Question {
                    url: Some(link.href.clone()),
                    host: format!("{}{}", link.host, unicode.unwrap_or_default()),
                    warnings: link.warnings.iter().map(|warning| warning.sentence().to_owned()).collect(),
                    ..question
                }
            }
        }
    }
}

impl LinkWarning {
    fn sentence(self) -> &'static str {
        match self {
            Self::Punycode => "The domain has letters that can look like others. Both spellings are shown.",
            Self::MixedScripts => {
                "The domain mixes letters of several scripts, as domains do that pose as another."
            }
            Self::IpAddress => "The address names a machine by number, not by name.",
            Self::Loopback => "The page is on your own machine.",
        }
    }
}

impl Field {
    fn to_wire(&self) -> QuestionField {
        let (kind, options, default) = match &self.kind {
            FieldKind::Text { default, .. } => ("text", None, default.clone().map(Value::String)),
            FieldKind::Number { integer, default, .. } => {
                (if *integer { "integer" } else { "number" }, None, default.clone().map(Value::Number))
            }
            FieldKind::Boolean { default } => ("boolean", None, default.map(Value::Bool)),
            FieldKind::One { options, default } => ("one", Some(options), default.clone().map(Value::String)),
            FieldKind::Many { options, default, .. } => {
                let chosen = default.iter().cloned().map(Value::String).collect::<Vec<_>>();
                ("many", Some(options), (!chosen.is_empty()).then_some(Value::Array(chosen)))
            }
        };
        QuestionField {
            name: self.name.clone(),
            label: self.label.clone(),
            description: self.description.clone().unwrap_or_default(),
            required: self.required,
            kind: kind.to_owned(),
            options: options.into_iter().flatten().map(Choice::to_wire).collect(),
            default,
        }
    }
}

impl Choice {
    fn to_wire(&self) -> QuestionOption {
        QuestionOption { value: self.value.clone(), label: self.label.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_card_has_its_fields_in_order_with_what_is_filled_in() {
        let asked = Elicitation::parse(
            &json!({"message": "Which seat?", "requestedSchema": {"type": "object", "required": ["row"], "properties": {
                "row": {"type": "integer", "default": 3}, "note": {"type": "string", "title": "A note"},
                "window": {"type": "boolean"}, "class": {"type": "string", "enum": ["first", "second"]},
            }}}),
            false,
        )
        .unwrap();
        let card = asked.to_wire();
        assert_eq!(card.message, "Which seat?");
        let shape: Vec<_> = card
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.kind.as_str(), field.required))
            .collect();
        assert_eq!(
            shape,
            [
                ("row", "integer", true),
                ("note", "text", false),
                ("window", "boolean", false),
                ("class", "one", false)
            ]
        );
        assert_eq!((card.fields[0].default.clone(), card.fields[3].options.len()), (Some(json!(3)), 2));
    }

    #[test]
    fn a_page_to_visit_is_shown_whole_with_its_domain() {
        let asked = Elicitation::parse(
            &json!({"mode": "url", "message": "Sign here", "url": "https://xn--pypal-4ve.example/a?b=c"}),
            false,
        )
        .unwrap();
        let card = asked.to_wire();
        assert_eq!(card.url.as_deref(), Some("https://xn--pypal-4ve.example/a?b=c"));
        assert!(card.host.starts_with("xn--pypal-4ve.example") && !card.warnings.is_empty(), "{card:?}");
    }
}
