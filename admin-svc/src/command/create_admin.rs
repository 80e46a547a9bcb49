//! `create-admin`: an administrator without the set-up page, for automation and for when everybody is locked out.

use std::{
    io::{IsTerminal, Read},
    path::PathBuf,
};

use anyhow::Context;
use tollgate_shared::secret::Secret;

use crate::{config::Configuration, serve};

#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The address to sign in with
    #[arg(long)]
    email: String,
    /// The name to show [default: the address]
    #[arg(long, default_value = "")]
    name: String,
    /// File with the password; without it the password is read from standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(super) async fn run(configuration: &Configuration, arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { email, name, password_file } = arguments;
    let password = match password_file {
        Some(path) => std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?,
        None => read_standard_input()?,
    };
    let password = Secret::new(password.trim_end_matches(['\r', '\n']).to_owned());
    let app = serve::open(configuration).await?;
    let user = app.create_administrator(email, name, password).await?;
    tracing::info!(user.id = %user.id, "administrator made");
    app.store().close().await;
    Ok(())
}

fn read_standard_input() -> anyhow::Result<String> {
    let mut input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("Password, then Enter and Ctrl-D:");
    }
    let mut text = String::new();
    input.read_to_string(&mut text).context("the password cannot be read from standard input")?;
    Ok(text)
}
