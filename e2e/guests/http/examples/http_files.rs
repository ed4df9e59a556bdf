//! Does `?op=` to `?path=`: read, write (`?text=`), append, list, stat, mkdir, rename (`?to=`), link (`?to=`), symlink (`?to=`
//! is the new link, `path` what it holds), readlink, remove, rmdir. By way of std::fs; with `?dir=` as a raw call on that
//! preopened directory, so that no library cleans the path on its way to the host.

use std::fs;
use std::io::{self, Write as _};

use guest_http::wasip2::filesystem::preopens::get_directories;
use guest_http::wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use guest_http::wasip2::http::types::{IncomingRequest, ResponseOutparam};
use guest_http::{Query, answer};

guest_http::export!(handle);

fn handle(request: IncomingRequest, out: ResponseOutparam) {
    let query = Query::of(&request);
    let arg = |name| query.get(name).unwrap_or("");
    let (op, path, to, text) = (arg("op"), arg("path"), arg("to"), arg("text"));
    let result = match query.get("dir") {
        None => by_std(op, path, to, text).map_err(|error| format!("{:?}: {error}", error.kind())),
        Some(dir) => match get_directories().into_iter().find(|(_, name)| name == dir) {
            Some((dir, _)) => raw(&dir, op, path, to, text).map_err(|error| error.name().to_owned()),
            None => Err(format!("{dir} is not preopened")),
        },
    };
    match result {
        Ok(text) => answer(out, 200, text),
        Err(error) => answer(out, 403, format_args!("error {error}\n")),
    }
}

fn by_std(op: &str, path: &str, to: &str, text: &str) -> io::Result<String> {
    let done = || "done\n".to_owned();
    match op {
        "read" => fs::read_to_string(path),
        "write" => fs::write(path, text).map(|()| done()),
        "append" => fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)?
            .write_all(text.as_bytes())
            .map(|()| done()),
        "list" => {
            let mut names = fs::read_dir(path)?
                .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
                .collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(names.iter().map(|name| format!("{name}\n")).collect())
        }
        "stat" => fs::metadata(path).map(|meta| format!("{:?} {} bytes\n", meta.file_type(), meta.len())),
        "mkdir" => fs::create_dir(path).map(|()| done()),
        "rename" => fs::rename(path, to).map(|()| done()),
        "link" => fs::hard_link(path, to).map(|()| done()),
        "readlink" => fs::read_link(path).map(|link| format!("{}\n", link.display())),
        "remove" => fs::remove_file(path).map(|()| done()),
        "rmdir" => fs::remove_dir(path).map(|()| done()),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            format!("no such op: {op}"),
        )),
    }
}

fn raw(dir: &Descriptor, op: &str, path: &str, to: &str, text: &str) -> Result<String, ErrorCode> {
    let follow = PathFlags::SYMLINK_FOLLOW;
    let done = || "done\n".to_owned();
    match op {
        "read" => {
            let file = dir.open_at(follow, path, OpenFlags::empty(), DescriptorFlags::READ)?;
            let (bytes, _end) = file.read(64 << 10, 0)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }
        "write" => {
            let flags = OpenFlags::CREATE | OpenFlags::TRUNCATE;
            let file = dir.open_at(follow, path, flags, DescriptorFlags::WRITE)?;
            file.write(text.as_bytes(), 0).map(|_| done())
        }
        "list" => {
            let list = dir
                .open_at(follow, path, OpenFlags::DIRECTORY, DescriptorFlags::READ)?
                .read_directory()?;
            let mut names = Vec::new();
            while let Some(entry) = list.read_directory_entry()? {
                names.push(entry.name + "\n");
            }
            names.sort();
            Ok(names.concat())
        }
        "stat" => dir
            .stat_at(follow, path)
            .map(|stat| format!("{:?} {} bytes\n", stat.type_, stat.size)),
        "mkdir" => dir.create_directory_at(path).map(|()| done()),
        "rename" => dir.rename_at(path, dir, to).map(|()| done()),
        "link" => dir.link_at(PathFlags::empty(), path, dir, to).map(|()| done()),
        "symlink" => dir.symlink_at(path, to).map(|()| done()),
        "readlink" => dir.readlink_at(path).map(|link| link + "\n"),
        "remove" => dir.unlink_file_at(path).map(|()| done()),
        "rmdir" => dir.remove_directory_at(path).map(|()| done()),
        _ => Err(ErrorCode::Unsupported),
    }
}
