//! What a model is given of the files that a person attached (behaviour 17): text as text, pictures as pictures, of the rest that it
//! is there.

use api::{
    Uuid,
    messages::{ChatMessage, FilePart, Part},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use domain::{
    files::{IMAGE_TO_MODEL, PROMPT_FILES, TEXT_TO_MODEL, as_text, is_shown},
    text::{cut_for_model, human_bytes, neutralise, quote},
};
use llm::PromptMessage;
use std::{collections::HashMap, sync::Arc};
use store::{Session, StoreError, files::file_data_in_chat};

/// Characters of a file's name in a prompt.
const NAME: usize = 200;

/// The contents of files, as a prompt has them.
#[derive(Debug, Default)]
pub(super) struct Files(HashMap<Uuid, Content>);

#[derive(Debug)]
enum Content {
    Text(String),
    Image(Arc<str>),
    /// Nothing that a model could read.
    Opaque,
    /// The prompt has no room for it.
    NoRoom,
    Gone,
}

impl Files {
    /// Reads the files of these messages, the newest first, as far as a prompt has room.
    pub(super) async fn load(
        session: &mut Session,
        chat: Uuid,
        messages: &[&ChatMessage],
    ) -> Result<Self, StoreError> {
        let mut files = Self::default();
        let mut room = PROMPT_FILES;
        for message in messages.iter().rev() {
            for part in &message.content {
                let Part::File(file) = part else { continue };
                if files.0.contains_key(&file.file_id) {
                    continue;
                }
                let size = usize::try_from(file.size).unwrap_or(usize::MAX);
                let content = match room.checked_sub(size) {
                    None => Content::NoRoom,
                    Some(_) if is_shown(&file.media_type) && size > IMAGE_TO_MODEL => Content::NoRoom,
                    Some(left) => {
                        let data = file_data_in_chat(session, chat, file.file_id).await?;
                        room = left;
                        data.map_or(Content::Gone, |data| content_of(file, &data))
                    }
                };
                files.0.insert(file.file_id, content);
            }
        }
        Ok(files)
    }

    /// What stands in the words of a message for a file.
    pub(super) fn words(&self, file: &FilePart) -> String {
        let name = quote(&file.name, NAME);
        let size = human_bytes(usize::try_from(file.size).unwrap_or_default());
        let head = format!("File {name}, {}, {size}", file.media_type);
        match self.0.get(&file.file_id) {
            Some(Content::Text(text)) => format!("[{head}]\n{text}\n[End of file {name}]"),
            Some(Content::Image(_)) => format!("[{head}: attached as a picture]"),
            Some(Content::Opaque) => format!("[{head}: its content cannot be shown to you]"),
            Some(Content::NoRoom) => format!("[{head}: left out, there is no room for it]"),
            Some(Content::Gone) | None => format!("[{head}: no longer stored]"),
        }
    }

    /// The picture that follows the words.
    pub(super) fn picture(&self, file: &FilePart) -> Option<PromptMessage> {
        let Some(Content::Image(data)) = self.0.get(&file.file_id) else { return None };
        Some(PromptMessage::UserImage { media_type: file.media_type.clone(), data: Arc::clone(data) })
    }
}

fn content_of(file: &FilePart, data: &[u8]) -> Content {
    if is_shown(&file.media_type) {
        return if data.len() <= IMAGE_TO_MODEL {
            Content::Image(STANDARD.encode(data).into())
        } else {
            Content::NoRoom
        };
    }
    match as_text(data) {
        Some(text) => Content::Text(cut_for_model(&neutralise(text), TEXT_TO_MODEL).0.into_owned()),
        None => Content::Opaque,
    }
}

/// The files of a message, in order.
pub(super) fn files_of(message: &ChatMessage) -> impl Iterator<Item = &FilePart> {
    message.content.iter().filter_map(|part| match part {
        Part::File(file) => Some(file),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(id: u128, name: &str, media_type: &str) -> FilePart {
        FilePart {
            file_id: Uuid::from_u128(id),
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            size: 5,
        }
    }

    #[test]
    fn a_model_is_told_what_it_cannot_see() {
        let (text, image, other, gone) = (
            file(1, "a.txt", "text/plain"),
            file(2, "b.png", "image/png"),
            file(3, "c.pdf", "application/pdf"),
            file(4, "d.txt", "text/plain"),
        );
        let mut files = Files::default();
        files.0.insert(text.file_id, content_of(&text, b"hello"));
        files.0.insert(image.file_id, content_of(&image, b"\x89PNG"));
        files.0.insert(other.file_id, content_of(&other, &[0, 1, 2]));
        assert_eq!(files.words(&text), "[File a.txt, text/plain, 5 B]\nhello\n[End of file a.txt]");
        assert!(files.words(&image).contains("as a picture") && files.picture(&image).is_some());
        assert!(files.words(&other).contains("cannot be shown") && files.picture(&other).is_none());
        assert!(files.words(&gone).contains("no longer stored"));
        let large = vec![0; IMAGE_TO_MODEL + 1];
        assert!(matches!(content_of(&image, &large), Content::NoRoom));
    }
}
