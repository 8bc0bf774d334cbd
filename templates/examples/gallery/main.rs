//! Writes every page in both languages into the folder given as the first argument, to be looked at in a browser.

use std::path::PathBuf;
use std::process::ExitCode;

mod samples;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: gallery FOLDER");
        return ExitCode::FAILURE;
    };
    match write_all(&folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn write_all(folder: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    for language in ["en", "ru"] {
        for sample in samples::samples(language, "") {
            std::fs::write(folder.join(format!("{}.{language}.html", sample.name)), sample.html)?;
        }
    }
    Ok(())
}
