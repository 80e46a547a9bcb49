//! `sqlx::migrate!` embeds the migrations when the crate is compiled; a new file must cause that.

fn main() {
    println!("cargo:rerun-if-changed=../migrations");
}
