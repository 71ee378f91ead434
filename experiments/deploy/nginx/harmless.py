"""Directives that change nothing in the traffic that is simulated, and why; those of NGINX Plus, by name."""

from __future__ import annotations

_REASONS = {
    "headers cost nothing here": (
        "proxy_set_header add_header proxy_hide_header proxy_pass_header proxy_ignore_headers expires etag charset "
        "default_type types types_hash_max_size types_hash_bucket_size server_tokens more_set_headers "
        "proxy_cookie_path proxy_cookie_domain proxy_cookie_flags proxy_redirect proxy_pass_request_headers "
        "underscores_in_headers ignore_invalid_headers source_charset override_charset add_trailer port_in_redirect "
        "server_name_in_redirect absolute_redirect chunked_transfer_encoding real_ip_recursive"
    ),
    "what writing logs costs is not simulated": (
        "access_log error_log log_format log_not_found log_subrequest open_log_file_cache rewrite_log"
    ),
    "where the process lives changes no request": (
        "user pid daemon master_process lock_file load_module env worker_rlimit_core working_directory debug_points "
        "thread_pool pcre_jit timer_resolution worker_shutdown_timeout error_page_path"
    ),
    "how the kernel is asked for events and bytes is part of nginx's CPU time": (
        "use multi_accept accept_mutex accept_mutex_delay sendfile sendfile_max_chunk tcp_nopush tcp_nodelay aio "
        "directio output_buffers postpone_output reset_timedout_connection worker_aio_requests worker_priority "
        "worker_cpu_affinity"
    ),
    "buffers and temporary files cost nothing here": (
        "proxy_buffering proxy_request_buffering client_max_body_size proxy_buffers proxy_buffer_size "
        "proxy_busy_buffers_size proxy_temp_path proxy_temp_file_write_size proxy_max_temp_file_size "
        "client_body_buffer_size client_header_buffer_size large_client_header_buffers client_body_temp_path "
        "variables_hash_max_size variables_hash_bucket_size server_names_hash_max_size server_names_hash_bucket_size "
        "proxy_headers_hash_max_size proxy_headers_hash_bucket_size map_hash_max_size map_hash_bucket_size "
        "client_body_in_file_only client_body_in_single_buffer"
    ),
    "static files are not part of the simulated traffic": (
        "root index try_files alias autoindex autoindex_exact_size autoindex_localtime open_file_cache "
        "open_file_cache_valid open_file_cache_errors open_file_cache_min_uses disable_symlinks internal gzip_static "
        "empty_gif"
    ),
    "who is let in is not part of the simulated traffic": (
        "allow deny auth_basic auth_basic_user_file satisfy valid_referers auth_delay"
    ),
    "which name a client used makes no difference here": "server_name merge_slashes",
    "a block without an effect of its own": "http server events stream location upstream",
    "the monitoring page costs nothing here": "stub_status",
    "the size of what is logged of limits": "limit_req_log_level limit_conn_log_level",
}

HARMLESS: dict[str, str] = {name: why for why, names in _REASONS.items() for name in names.split()}
"""Why a directive may be left out."""

PLUS = frozenset(
    {
        "health_check", "match", "status", "status_zone", "api", "sticky", "least_time", "queue", "state", "keyval",
        "keyval_zone", "session_log", "session_log_format", "session_log_zone", "auth_jwt", "auth_jwt_key_file",
        "auth_jwt_claim_set", "zone_sync", "zone_sync_server", "f4f", "hls", "ntlm", "mgmt", "upstream_conf",
        "js_fetch_keepalive", "proxy_cache_purge", "auth_oidc", "oidc_provider",
    }
)  # fmt: skip
"""Directives that only NGINX Plus has."""
PLUS_PARAMETERS = frozenset({"resolve", "service", "slow_start", "route", "drain"})
"""Parameters of a server in an upstream that were NGINX Plus's for most of its releases."""

OTHER_BACKENDS = frozenset({"fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass", "memcached_pass"})
"""Ways to pass a request on that are not HTTP."""
