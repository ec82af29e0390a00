"""A Spark Connect server, set up as the one of PyIceberg's own suite; it prints its port and ends with its standard input.

A program of its own: PySpark does not speak to such a server and to a Spark within the same process.
"""

import json
import os
import sys
import tempfile

from pyspark import SparkConf, SparkContext
from pyspark.sql import SparkSession


def configuration(catalog: dict[str, str], storage: dict[str, str], scratch: str) -> dict[str, str]:
    return {
        "spark.master": "local[1]",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": "0",
        "spark.jars": os.environ["PANGOLIN_SPARK_JARS"],
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -XX:TieredStopAtLevel=1",
        "spark.local.dir": scratch,
        "spark.sql.warehouse.dir": scratch,
        "spark.sql.shuffle.partitions": "1",
        "spark.ui.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.defaultCatalog": "rest",
        "spark.sql.catalog.rest": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.rest.type": "rest",
        "spark.sql.catalog.rest.uri": catalog["uri"],
        "spark.sql.catalog.rest.warehouse": catalog["warehouse"],
        "spark.sql.catalog.rest.token": catalog["token"],
        "spark.sql.catalog.rest.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "spark.sql.catalog.rest.s3.endpoint": storage["endpoint"],
        "spark.sql.catalog.rest.s3.path-style-access": "true",
        "spark.sql.catalog.rest.s3.access-key-id": storage["accessKey"],
        "spark.sql.catalog.rest.s3.secret-access-key": storage["secretKey"],
        "spark.sql.catalog.rest.client.region": storage["region"],
        "spark.sql.catalog.rest.cache-enabled": "false",
    }


def main() -> None:
    settings = json.loads(os.environ["PANGOLIN_TEST_CATALOG"])
    with tempfile.TemporaryDirectory() as scratch:
        conf = SparkConf().setAll(list(configuration(settings["properties"], settings["storage"], scratch).items()))
        context = SparkContext(conf=conf)
        context.setLogLevel("ERROR")
        SparkSession(context)
        service = getattr(context._jvm, "org.apache.spark.sql.connect.service.SparkConnectService$")
        print("port", getattr(service, "MODULE$").localPort(), flush=True)
        sys.stdin.read()
        context.stop()


main()
