//! Files of chats (behaviour 17): stored first, then named by a message, and gone with its chat.

use crate::{Error, OpContext, Result, Service};
use api::{
    Uuid, Validation,
    chats::ChatFile,
    messages::{FilePart, Part},
};
use domain::{
    files::{self, FILE_BYTES, FILES_LOOSE, FILES_PER_CHAT},
    text::human_bytes,
};
use store::{
    Write,
    files::{self as stored, FileRecord},
};

/// Files that no message names are kept for a day, seconds.
pub(crate) const LOOSE_KEPT_SECONDS: i64 = 24 * 3600;

fn to_wire(record: &FileRecord) -> ChatFile {
    ChatFile {
        id: record.id,
        name: record.name.clone(),
        media_type: record.media_type.clone(),
        size: record.size,
        created_at: record.created_at,
    }
}

impl Service {
    /// Stores a file for a message that is yet to be sent. The type is what its bytes bear out.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an empty file, one that is too large, and a name that is none.
    pub async fn file_upload(
        &self,
        ctx: &OpContext,
        name: &str,
        media_type: &str,
        data: &[u8],
    ) -> Result<ChatFile> {
        let owner = ctx.require()?.user.id;
        if data.is_empty() {
            return Err(Error::invalid_field("file", "The file is empty."));
        }
        if data.len() > FILE_BYTES {
            let most = human_bytes(FILE_BYTES);
            return Err(Error::invalid_field("file", format!("The file is larger than {most}.")));
        }
        let record = FileRecord {
            id: self.new_id(),
            owner_id: owner,
            chat_id: None,
            name: files::check_name(name).map_err(|detail| Error::invalid_field("name", detail))?,
            media_type: files::media_type(media_type, data),
            size: i64::try_from(data.len()).unwrap_or(i64::MAX),
            created_at: self.now(),
        };
        let mut write = self.db().write().await?;
        stored::file_insert(&mut write, &record, data).await?;
        stored::files_loose_evict(&mut write, owner, FILES_LOOSE).await?;
        write.commit().await?;
        Ok(to_wire(&record))
    }

    /// An own file with its bytes.
    ///
    /// # Errors
    /// [`Error::NotFound`], also for one that made room for newer ones.
    pub async fn file_get(&self, ctx: &OpContext, id: Uuid) -> Result<(ChatFile, Vec<u8>)> {
        let owner = ctx.require()?.user.id;
        let mut session = self.db().read().await?;
        let record = stored::file_get(&mut session, owner, id).await?.ok_or(Error::NotFound)?;
        let data = stored::file_data(&mut session, id).await?.ok_or(Error::NotFound)?;
        Ok((to_wire(&record), data))
    }

    /// Binds the files that a message names to its chat, and writes beside each what it is. The oldest of the chat make room.
    pub(crate) async fn files_attach(
        &self,
        write: &mut Write,
        (owner, chat): (Uuid, Uuid),
        content: &mut [Part],
        kept: &[Part],
    ) -> Result<()> {
        let mut wrong = Vec::new();
        let mut any = false;
        for (at, part) in content.iter_mut().enumerate() {
            let Part::File(FilePart { file_id, .. }) = part else { continue };
            let id = *file_id;
            any = true;
            let before = kept.iter().find(|part| matches!(part, Part::File(file) if file.file_id == id));
            let record = stored::file_get(write, owner, id).await?;
            // One that made room for newer files stays named where it was.
            if let (None, Some(before)) = (&record, before) {
                *part = before.clone();
                continue;
            }
            match record {
                Some(record) if stored::file_attach(write, owner, chat, id).await? => {
                    *part = Part::File(record.to_part());
                }
                _ => wrong.push(Validation::new(
                    format!("content[{at}].file_id"),
                    "There is no such file, or it belongs to another chat. Store it again.",
                )),
            }
        }
        if !wrong.is_empty() {
            return Err(Error::invalid(wrong));
        }
        if any {
            stored::files_evict(write, chat, FILES_PER_CHAT).await?;
        }
        Ok(())
    }
}
