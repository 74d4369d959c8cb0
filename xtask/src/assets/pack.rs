//! The last step: files under names that carry their content's hash, compressed once, and two tables of them.
//!
//! `manifest.json` is for tools and people. `table.rs` is the same as Rust source, which `server/build.rs` embeds; so the
//! build script needs no JSON parser and stays fast.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use super::bindgen::Bound;
use super::{Mode, site_folder};
use crate::process;
use crate::stamp::{self, Key};
use crate::workspace::Workspace;

/// Below this the headers cost more than compression saves.
const COMPRESS_MIN_BYTES: usize = 256;
/// Hex digits of the hash in a file name: 64 bits, far beyond chance collision among a handful of files.
const HASH_DIGITS: usize = 16;

/// One served file; sizes are bytes.
#[derive(Serialize)]
struct Entry {
    /// File below the site folder; its compressed copies end in `.br` and `.gz`.
    file: String,
    /// Path in the address.
    route: String,
    content_type: &'static str,
    /// Whether the address carries the content's hash, so that browsers may keep it for ever.
    immutable: bool,
    sha256: String,
    size: usize,
    br: Option<usize>,
    gz: Option<usize>,
}

/// Fills the site folder from the finished parts and `public/`.
pub(super) fn pack(workspace: &Workspace, mode: Mode, bound: &Bound, css: &Path) -> Result<()> {
    let site = site_folder(workspace, mode);
    let public = workspace.path("public");
    let key = Key::new("pack 2")
        .text(mode.folder())
        .file(&bound.script)?
        .file(&bound.wasm)?
        .file(css)?
        .tree(&public)?;
    let outputs = [site.join("manifest.json"), site.join("table.rs")];
    stamp::cached(&site.join("stamp"), key, &outputs, || {
        process::timed("packing the site", || {
            let mut packer = Packer::new(&site, mode)?;
            packer.add_hashed("patchbay.js", &bound.script)?;
            packer.add_hashed("patchbay.wasm", &bound.wasm)?;
            packer.add_hashed("patchbay.css", css)?;
            for path in stamp::files_below(&public)? {
                let name =
                    path.strip_prefix(&public)?.to_str().context("file names in public/ must be UTF-8")?;
                packer.add_public(name, &path)?;
            }
            packer.finish()
        })
    })?;
    Ok(())
}

struct Packer<'a> {
    site: &'a Path,
    mode: Mode,
    entries: BTreeMap<String, Entry>,
}

impl<'a> Packer<'a> {
    fn new(site: &'a Path, mode: Mode) -> Result<Self> {
        fs::create_dir_all(site.join("pkg"))?;
        fs::create_dir_all(site.join("public"))?;
        Ok(Self { site, mode, entries: BTreeMap::new() })
    }

    fn add_hashed(&mut self, logical: &str, source: &Path) -> Result<()> {
        let contents = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        let hash = stamp::sha256(&contents);
        let (stem, extension) = logical.rsplit_once('.').context("a packed file needs an extension")?;
        let file = format!("pkg/{stem}.{}.{extension}", &hash[..HASH_DIGITS]);
        let route = format!("/{file}");
        self.add(logical, file, route, true, hash, &contents)
    }

    /// Files of `public/` keep their address (browsers ask for `/favicon.svg` by name) and are revalidated.
    fn add_public(&mut self, name: &str, source: &Path) -> Result<()> {
        let contents = fs::read(source).with_context(|| format!("cannot read {}", source.display()))?;
        let hash = stamp::sha256(&contents);
        if let Some(folder) = self.site.join("public").join(name).parent() {
            fs::create_dir_all(folder)?;
        }
        self.add(name, format!("public/{name}"), format!("/{name}"), false, hash, &contents)
    }

    fn add(
        &mut self,
        logical: &str,
        file: String,
        route: String,
        immutable: bool,
        sha256: String,
        contents: &[u8],
    ) -> Result<()> {
        let content_type = content_type(logical)?;
        let path = self.site.join(&file);
        stamp::write_if_changed(&path, contents)?;
        let (mut br, mut gz) = (None, None);
        if contents.len() >= COMPRESS_MIN_BYTES {
            // A copy that is no smaller is not worth its bytes in the binary.
            let keep = |extension: &str, packed: Vec<u8>| -> Result<Option<usize>> {
                if packed.len() >= contents.len() {
                    return Ok(None);
                }
                stamp::write_if_changed(&self.site.join(format!("{file}.{extension}")), &packed)?;
                Ok(Some(packed.len()))
            };
            br = keep("br", brotli(contents, self.mode)?)?;
            gz = keep("gz", gzip(contents, self.mode)?)?;
        }
        let entry = Entry { file, route, content_type, immutable, sha256, size: contents.len(), br, gz };
        self.entries.insert(logical.to_owned(), entry);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.remove_leftovers()?;
        let mut manifest = serde_json::to_vec_pretty(&self.entries)?;
        manifest.push(b'\n');
        stamp::write_if_changed(&self.site.join("table.rs"), table(&self.entries).as_bytes())?;
        stamp::write_if_changed(&self.site.join("manifest.json"), &manifest)
    }

    /// Files of earlier builds, whose hashed names nobody asks for any more.
    fn remove_leftovers(&self) -> Result<()> {
        for folder in ["pkg", "public"] {
            for path in stamp::files_below(&self.site.join(folder))? {
                let name = path.strip_prefix(self.site)?.to_string_lossy().into_owned();
                let wanted = self.entries.values().any(|entry| {
                    name == entry.file
                        || (entry.br.is_some() && name == format!("{}.br", entry.file))
                        || (entry.gz.is_some() && name == format!("{}.gz", entry.file))
                });
                if !wanted {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(())
    }
}

/// The table as Rust source: a slice expression of `Asset`, paths relative to `PATCHBAY_EMBED_DIR`.
fn table(entries: &BTreeMap<String, Entry>) -> String {
    let embed = |file: &str| {
        format!("include_bytes!(concat!(env!(\"PATCHBAY_EMBED_DIR\"), {:?}))", format!("/{file}"))
    };
    let optional = |size: Option<usize>, file: String| match size {
        Some(_) => format!("Some({})", embed(&file)),
        None => "None".to_owned(),
    };
    let mut source = String::from("// Written by `cargo xtask build`.\n&[\n");
    for (logical, entry) in entries {
        source.push_str(&format!(
            "    Asset {{ logical: {logical:?}, route: {:?}, content_type: {:?}, immutable: {}, sha256: {:?},\n        body: {},\n        brotli: {},\n        gzip: {} }},\n",
            entry.route,
            entry.content_type,
            entry.immutable,
            entry.sha256,
            embed(&entry.file),
            optional(entry.br, format!("{}.br", entry.file)),
            optional(entry.gz, format!("{}.gz", entry.file)),
        ));
    }
    source.push_str("]\n");
    source
}

fn content_type(name: &str) -> Result<&'static str> {
    Ok(match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => bail!("no content type is known for {name}; add it to xtask/src/assets/pack.rs"),
    })
}

/// Highest quality for release (seconds for a megabyte); a quick one for debug builds, which nobody downloads.
fn brotli(contents: &[u8], mode: Mode) -> Result<Vec<u8>> {
    let quality = if mode == Mode::Release { 11 } else { 4 };
    let params = brotli::enc::BrotliEncoderParams {
        quality,
        lgwin: 24,
        size_hint: contents.len(),
        ..Default::default()
    };
    let mut packed = Vec::new();
    brotli::BrotliCompress(&mut &contents[..], &mut packed, &params).context("brotli failed")?;
    Ok(packed)
}

fn gzip(contents: &[u8], mode: Mode) -> Result<Vec<u8>> {
    let level = if mode == Mode::Release { 9 } else { 4 };
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(level));
    encoder.write_all(contents)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn compressed_copies_give_back_the_original() {
        let text = b"body { color: red } ".repeat(500);
        for mode in [Mode::Debug, Mode::Release] {
            let (mut from_brotli, mut from_gzip) = (Vec::new(), Vec::new());
            brotli::BrotliDecompress(&mut &brotli(&text, mode).unwrap()[..], &mut from_brotli).unwrap();
            flate2::read::GzDecoder::new(&gzip(&text, mode).unwrap()[..])
                .read_to_end(&mut from_gzip)
                .unwrap();
            assert_eq!(from_brotli, text);
            assert_eq!(from_gzip, text);
        }
    }

    #[test]
    fn packs_under_hashed_names_and_forgets_old_ones() {
        let site = std::env::temp_dir().join(format!("patchbay-xtask-{}-pack", std::process::id()));
        let _ = fs::remove_dir_all(&site);
        fs::create_dir_all(&site).unwrap();
        let source = site.join("source");
        let pack_once = |contents: &str| {
            fs::write(&source, contents).unwrap();
            let mut packer = Packer::new(&site, Mode::Debug).unwrap();
            packer.add_hashed("patchbay.css", &source).unwrap();
            packer.add_public("favicon.svg", &source).unwrap();
            packer.finish().unwrap();
            let manifest: serde_json::Value =
                serde_json::from_slice(&fs::read(site.join("manifest.json")).unwrap()).unwrap();
            manifest["patchbay.css"]["file"].as_str().unwrap().to_owned()
        };
        let first = pack_once(&"a { color: red }".repeat(100));
        assert!(site.join(&first).exists() && site.join(format!("{first}.br")).exists());
        let second = pack_once(&"a { color: blue }".repeat(100));
        assert_ne!(first, second);
        assert!(!site.join(&first).exists() && !site.join(format!("{first}.br")).exists());
        assert!(site.join(&second).exists() && site.join("public/favicon.svg").exists());
        fs::remove_dir_all(site).unwrap();
    }

    #[test]
    fn unknown_file_types_are_refused() {
        assert!(content_type("page.exe").is_err());
        assert_eq!(content_type("patchbay.wasm").unwrap(), "application/wasm");
    }
}
