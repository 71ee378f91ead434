"""Properties that change nothing in the traffic that is simulated, and why; those of libraries long gone, by name."""

from __future__ import annotations

from experiments.deploy.spring.names import Name, name_of

_REASONS: dict[str, tuple[str, ...]] = {
    "what writing logs costs is not simulated": (
        "logging",
        "spring.output",
        "debug",
        "trace",
        "spring.main.log-startup-info",
    ),
    "what is measured and shown costs next to nothing": (
        "management",
        "info",
        "spring.boot.admin",
        "spring.sleuth",
        "spring.zipkin",
        "spring.application.admin",
    ),
    "a name changes nothing": (
        "spring.application",
        "spring.jmx",
        "spring.main.banner-mode",
        "spring.banner",
        "project",
    ),
    "decides which documents count, and has been followed": (
        "spring.profiles",
        "spring.config",
        "spring.cloud.config",
        "spring.cloud.bootstrap",
    ),
    "what guards a request is part of the demand that is measured": (
        "spring.security",
        "security",
        "jwt",
        "keycloak",
        "spring.session",
    ),
    "has its effect at the start only": (
        "spring.flyway",
        "spring.liquibase",
        "spring.jpa.hibernate",
        "spring.jpa.generate-ddl",
        "spring.jpa.defer-datasource-initialization",
        "spring.sql.init",
        "spring.datasource.initialization-mode",
        "spring.main.lazy-initialization",
        "spring.main.allow-bean-definition-overriding",
        "spring.main.allow-circular-references",
        "spring.autoconfigure",
        "spring.data.jpa.repositories",
        "spring.datasource.schema",
        "spring.datasource.data",
        "spring.jpa.database",
        "spring.jpa.database-platform",
        "spring.main.web-application-type",
        "spring.jpa.properties.hibernate.dialect",
        "spring.devtools",
        "spring.test",
        "spring.docker",
    ),
    "how text and pages are made is part of the demand that is measured": (
        "spring.jackson",
        "spring.gson",
        "spring.messages",
        "spring.thymeleaf",
        "spring.freemarker",
        "spring.mustache",
        "spring.groovy",
        "spring.http.encoding",
        "spring.http.converters",
        "spring.codec",
        "spring.web.locale",
        "spring.mvc.format",
        "spring.mvc.date-format",
        "spring.mvc.pathmatch",
        "spring.mvc.view",
        "spring.mvc.problemdetails",
        "spring.mvc.throw-exception-if-no-handler-found",
        "spring.webflux.format",
        "spring.hateoas",
        "spring.graphql.path",
        "spring.jpa.show-sql",
        "spring.jpa.properties.hibernate.format_sql",
        "spring.jpa.properties.hibernate.show_sql",
        "springdoc",
        "springfox",
        "openapi",
    ),
    "static files are not part of the simulated traffic": (
        "spring.web.resources",
        "spring.resources",
        "spring.mvc.static-path-pattern",
        "spring.servlet.multipart",
        "spring.mvc.favicon",
    ),
    "who connects makes no difference to the pool": (
        "spring.datasource.username",
        "spring.datasource.password",
        "spring.datasource.driver-class-name",
        "spring.datasource.type",
        "spring.datasource.name",
        "spring.datasource.generate-unique-name",
        "spring.datasource.platform",
        "spring.redis.password",
        "spring.redis.username",
        "spring.redis.database",
        "spring.redis.client-name",
        "spring.redis.client-type",
        "spring.redis.port",
        "spring.data.redis.password",
        "spring.data.redis.username",
        "spring.data.redis.database",
        "spring.data.redis.client-name",
        "spring.data.redis.client-type",
        "spring.data.redis.port",
        "spring.data.redis.repositories",
        "spring.redis.repositories",
    ),
    "names of keys change nothing": (
        "spring.cache.redis.key-prefix",
        "spring.cache.redis.use-key-prefix",
        "spring.cache.redis.enable-statistics",
    ),
    "headers and paths cost nothing here": (
        "server.servlet.context-path",
        "server.servlet.session",
        "server.servlet.encoding",
        "server.error",
        "server.forward-headers-strategy",
        "server.use-forward-headers",
        "server.server-header",
        "server.address",
        "server.tomcat.remoteip",
        "server.tomcat.accesslog",
        "server.tomcat.basedir",
        "server.tomcat.uri-encoding",
        "server.tomcat.mbeanregistry",
        "server.tomcat.relaxed-path-chars",
        "server.tomcat.relaxed-query-chars",
        "server.tomcat.redirect-context-root",
        "server.tomcat.use-relative-redirects",
        "server.max-http-header-size",
        "server.max-http-request-header-size",
        "server.tomcat.max-http-form-post-size",
        "server.tomcat.max-swallow-size",
        "server.tomcat.max-http-response-header-size",
        "server.reactive.session",
        "spring.webflux.base-path",
    ),
    "CORS, headers and metrics of the gateway cost nothing here": tuple(
        f"{prefix}.{name}"
        for prefix in ("spring.cloud.gateway", "spring.cloud.gateway.server.webflux")
        for name in (
            "globalcors",
            "x-forwarded",
            "forwarded",
            "metrics",
            "observability",
            "enabled",
            "filter.remove-hop-by-hop",
            "filter.secure-headers",
            "filter.add-request-header",
            "loadbalancer",
            "trusted-proxies",
            "redis-rate-limiter.remaining-header",
            "redis-rate-limiter.include-headers",
            "redis-rate-limiter.burst-capacity-header",
            "redis-rate-limiter.replenish-rate-header",
            "redis-rate-limiter.requested-tokens-header",
        )
    ),
}
_POOL_NAMES = frozenset(
    {
        "username", "password", "driverclassname", "poolname", "autocommit", "registermbeans", "datasourceproperties",
        "schema", "catalog", "transactionisolation", "isolateinternalqueries", "readonly", "leakdetectionthreshold",
        "connectiontestquery", "connectioninitsql", "exceptionoverrideclassname", "healthcheckproperties",
        "allowpoolsuspension", "type", "platform", "name",
    }
)  # fmt: skip
_BY_PREFIX: dict[Name, str] = {name_of(prefix): why for why, prefixes in _REASONS.items() for prefix in prefixes}
_LONGEST = max(len(prefix) for prefix in _BY_PREFIX)

GONE = {
    "hystrix": "Hystrix (in maintenance since 2018) is not modelled; Resilience4j is",
    "ribbon": "Ribbon (removed from Spring Cloud 2020.0) is not modelled; services take turns",
    "zuul": "Zuul 1 (removed from Spring Cloud 2020.0) is not modelled; Spring Cloud Gateway is",
    "turbine": "Turbine (removed from Spring Cloud 2020.0) is not modelled",
}
"""Why what stands under these is left out."""


def why_harmless(name: Name) -> str | None:
    """Why a property changes nothing; None where it may."""
    for size in range(min(_LONGEST, len(name)), 0, -1):
        why = _BY_PREFIX.get(name[:size])
        if why is not None:
            return why
    if name[:2] == ("spring", "datasource") and name[-1] in _POOL_NAMES:
        return "who connects, and what is checked or logged, makes no difference to the pool's size and waits"
    return None
