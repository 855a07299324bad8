"""How to reach a Kafka and prove who we are: the settings of a source, in the client's own names."""

from __future__ import annotations

from pathlib import Path

from confluent_kafka import KafkaError

from settings import SettingsError, secret, setting

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
FILES = {
    "CA_FILE": "ssl.ca.location",
    "CERTIFICATE_FILE": "ssl.certificate.location",
    "KEY_FILE": "ssl.key.location",
}
# No second try makes these right.
REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._SSL,
    }
)


def client_settings(source: str) -> dict[str, str]:
    """Raises SettingsError for a setting of SOURCE_KAFKA_… that is missing or cannot be used."""
    prefix = f"{source.upper()}_KAFKA_"
    protocol = setting(f"{prefix}SECURITY_PROTOCOL", "PLAINTEXT").upper()
    if protocol not in PROTOCOLS:
        raise SettingsError(f"{prefix}SECURITY_PROTOCOL is {protocol!r}; it is one of {', '.join(PROTOCOLS)}.")
    found = {
        "bootstrap.servers": setting(f"{prefix}BOOTSTRAP_SERVERS"),
        "security.protocol": protocol,
        "client.id": f"headwater-{source}",
    }
    if protocol.startswith("SASL"):
        found |= {
            "sasl.mechanism": setting(f"{prefix}SASL_MECHANISM", "SCRAM-SHA-512"),
            "sasl.username": setting(f"{prefix}USERNAME"),
            "sasl.password": secret(f"{prefix}PASSWORD"),
        }
    for name, option in FILES.items():
        if path := setting(f"{prefix}{name}", ""):
            if not Path(path).is_file():
                raise SettingsError(f"{prefix}{name} names {path}, which is no file.")
            found[option] = path
    return found
