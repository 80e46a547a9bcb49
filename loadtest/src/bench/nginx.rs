//! nginx as a contender: one process, keep-alive to the upstream, no buffering.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::process::{Launch, Scratch, free_address};
use super::settings::Settings;

/// `None` when nginx is not installed.
pub(super) fn launch(
    upstream: SocketAddr,
    settings: &Settings,
    scratch: &Scratch,
) -> Result<Option<(SocketAddr, Launch)>> {
    let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/bin/nginx"];
    let Some(program) = places.iter().map(PathBuf::from).find(|place| place.exists()) else { return Ok(None) };
    let address = free_address()?;
    let directory = scratch.directory("nginx")?;
    let file = directory.join("nginx.conf");
    std::fs::write(&file, configuration(&directory, address, upstream))?;
    let arguments = ["-c", &file.display().to_string(), "-p", &directory.display().to_string()].map(str::to_owned);
    let output = scratch.file("nginx.log");
    let launch =
        Launch { program, arguments: arguments.into(), variables: Vec::new(), core: settings.proxy_core, output };
    Ok(Some((address, launch)))
}

/// One process without a master, so that what is measured and ended is the worker itself.
fn configuration(directory: &Path, address: SocketAddr, upstream: SocketAddr) -> String {
    let directory = directory.display();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = kinds.map(|kind| format!("  {kind}_temp_path {directory}/{kind};\n")).concat();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {directory}/nginx.pid;\n\
         error_log stderr warn;\nevents {{ worker_connections 16384; }}\nhttp {{\n{temporary}\
         \x20 access_log off;\n  keepalive_requests 1000000000;\n  keepalive_timeout 600s;\n  client_max_body_size 0;\n\
         \x20 upstream provider {{ server {upstream}; keepalive 256; keepalive_requests 1000000000; }}\n\
         \x20 server {{\n    listen {address} backlog=4096;\n    location / {{\n      proxy_pass http://provider;\n\
         \x20     proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      proxy_buffering off;\n\
         \x20     proxy_request_buffering off;\n      proxy_read_timeout 600s;\n    }}\n  }}\n}}\n"
    )
}
