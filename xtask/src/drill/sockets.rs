//! Which of our replicas opened a connection: by the port it comes from, from Linux' /proc.

use std::fs;

/// The process among `pids` that holds the socket whose own end is `port` on loopback.
pub(super) fn holder_of(port: u16, pids: &[u32]) -> Option<u32> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let inode = inode_of(&table, port)?;
    let wanted = format!("socket:[{inode}]");
    pids.iter().copied().find(|pid| {
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        open.flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == wanted.as_str()))
    })
}

/// Lines of proc_pid_net(5): number, local address, remote address, …, the inode as the tenth field.
fn inode_of(table: &str, port: u16) -> Option<&str> {
    let local = format!("0100007F:{port:04X}");
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let ours = fields.nth(1)? == local;
        let inode = fields.nth(7)?;
        (ours && inode != "0").then_some(inode)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn finds_this_very_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let port = stream.local_addr().unwrap().port();
        let own = std::process::id();
        assert_eq!(holder_of(port, &[1, own]), Some(own));
        assert_eq!(holder_of(port, &[]), None);
        drop(stream);
    }

    #[test]
    fn reads_the_table() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 20 4 30 10 -1\n\
             1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 777 1 0 20 4 30 10 -1\n";
        assert_eq!(inode_of(table, 0xC350), Some("777"));
        assert_eq!(inode_of(table, 8080), Some("12345"));
        assert_eq!(inode_of(table, 1), None);
    }
}
