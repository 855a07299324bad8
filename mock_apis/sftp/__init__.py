"""The email platform's SFTP server over the pretend shop: `SftpServer(world_ref, ...)`."""

from mock_apis.sftp.server import SftpServer, new_host_key

__all__ = ["SftpServer", "new_host_key"]
