//! `patchbay config`: what is in force, and where each setting comes from.

use crate::{
    config::{Origin, Setting, Settings},
    serve::announce,
};

/// Prints every setting in the form of the configuration file, its origin behind it.
///
/// # Errors
/// What a start would say about the settings.
pub(super) fn run(settings: Settings) -> anyhow::Result<()> {
    let effective = settings.effective()?;
    let width = effective.iter().map(|setting| line_of(setting).len()).max().unwrap_or_default();
    for setting in &effective {
        let origin = match setting.origin {
            Origin::Flag => format!("--{}", setting.name.replace('_', "-")),
            Origin::Environment => setting.variable(),
            Origin::File => "configuration file".to_owned(),
            Origin::Default => "default".to_owned(),
        };
        announce(&format!("{:<width$}  # {origin}", line_of(setting)));
    }
    Ok(())
}

fn line_of(setting: &Setting) -> String {
    match &setting.value {
        Some(value) => format!("{} = {value:?}", setting.name),
        None => format!("# {}", setting.name),
    }
}
