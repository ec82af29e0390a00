package pangolin;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.DataFile;
import org.apache.iceberg.DataFiles;
import org.apache.iceberg.HasTableOperations;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.Schema;
import org.apache.iceberg.SortOrder;
import org.apache.iceberg.Table;
import org.apache.iceberg.Transaction;
import org.apache.iceberg.UpdatePartitionSpec;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.SessionCatalog.SessionContext;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.expressions.Expressions;
import org.apache.iceberg.exceptions.BadRequestException;
import org.apache.iceberg.exceptions.NoSuchTableException;
import org.apache.iceberg.exceptions.NoSuchViewException;
import org.apache.iceberg.hadoop.HadoopFileIO;
import org.apache.iceberg.rest.HTTPClient;
import org.apache.iceberg.rest.RESTSessionCatalog;
import org.apache.iceberg.types.Types;
import org.apache.iceberg.view.View;

/**
 * Uses the Java client as Trino's Iceberg connector does: one catalog for all users, a session of its own for nearly every
 * call, nested namespaces listed level by level, tables created in transactions at locations that Trino chooses, views in its
 * own dialect, dropping as purging. Prints a line for each step: its name and, when it failed, why.
 */
public final class TrinoSession {
  private static final Schema SCHEMA =
      new Schema(
          Types.NestedField.required(1, "id", Types.LongType.get()),
          Types.NestedField.optional(2, "name", Types.StringType.get()),
          Types.NestedField.optional(3, "at", Types.TimestampType.withZone()));

  private final RESTSessionCatalog catalog;
  private final Map<String, String> credentials;
  private final Namespace home;

  private TrinoSession(Map<String, String> security, String warehouse, String namespace) {
    Map<String, String> properties = new HashMap<>(security);
    properties.put("uri", System.getenv("CATALOG_URI"));
    properties.put("warehouse", warehouse);
    properties.put("view-endpoints-supported", "true");
    properties.put("trino-version", "476");
    properties.put("header.X-Iceberg-Access-Delegation", "vended-credentials");
    this.catalog =
        new RESTSessionCatalog(
            config -> HTTPClient.builder(config).uri(config.get("uri")).build(),
            (context, config) -> {
              HadoopFileIO io = new HadoopFileIO(new Configuration());
              io.initialize(config);
              return io;
            });
    this.catalog.initialize("lake", properties);
    this.credentials = new HashMap<>(security);
    this.home = Namespace.of(namespace);
  }

  /** A session that is never used again, as Trino makes them when it passes no user on. */
  private SessionContext session() {
    return new SessionContext(UUID.randomUUID().toString(), null, credentials, map());
  }

  private TableIdentifier named(String name) {
    return TableIdentifier.of(home, name);
  }

  private List<String> tree(Namespace parent) {
    List<String> found = new ArrayList<>();
    for (Namespace child : catalog.listNamespaces(session(), parent)) {
      found.add(child.toString());
      found.addAll(tree(child));
    }
    return found;
  }

  private void namespaces() {
    catalog.createNamespace(session(), home, map());
    Namespace inner = Namespace.of(home.level(0), "deep er", "a%b/c");
    catalog.createNamespace(session(), Namespace.of(home.level(0), "deep er"), map());
    catalog.createNamespace(session(), inner, map());
    check(tree(Namespace.empty()).contains(inner.toString()), "the tree has the innermost namespace");
    check(catalog.namespaceExists(session(), inner), "the namespace is there");
    check(catalog.loadNamespaceMetadata(session(), inner) != null, "its properties are read");
    check(catalog.listTables(session(), inner).isEmpty(), "it has no tables");
    check(catalog.listViews(session(), inner).isEmpty(), "it has no views");
    catalog.dropNamespace(session(), inner);
    check(!catalog.namespaceExists(session(), inner), "the namespace is gone");
  }

  /** CREATE TABLE and CTAS. Without a location of the schema the server chooses the table's. */
  private void createTables() {
    PartitionSpec spec = PartitionSpec.builderFor(SCHEMA).day("at").bucket("id", 4).build();
    SortOrder order = SortOrder.builderFor(SCHEMA).asc("id").build();
    Map<String, String> properties = map("write.format.default", "PARQUET", "format-version", "2");
    Table assigned =
        catalog.buildTable(session(), named("assigned"), SCHEMA).withProperties(properties).create();
    Transaction first = assigned.newTransaction();
    first.newFastAppend().commit();
    first.commitTransaction();
    String location = assigned.location() + "-chosen-" + UUID.randomUUID();
    Transaction staged =
        catalog
            .buildTable(session(), named("t"), SCHEMA)
            .withPartitionSpec(spec)
            .withSortOrder(order)
            .withProperties(properties)
            .withLocation(location)
            .createTransaction();
    check(missing(named("t")), "a staged table is not there");
    staged.newFastAppend().appendFile(file(location, "1.parquet", spec)).commit();
    staged.updateProperties().set("comment", "from Trino").commit();
    staged.commitTransaction();
    Table created = catalog.loadTable(session(), named("t"));
    check(created.location().equals(location), "the table lies where it was asked for");
    check(created.currentSnapshot() != null, "it has the snapshot of its creation");
    check(created.spec().fields().size() == 2 && created.sortOrder().fields().size() == 1, "it has spec and order");
  }

  private static DataFile file(String location, String name, PartitionSpec spec) {
    DataFiles.Builder builder = DataFiles.builder(spec).withPath(location + "/data/" + name).withFormat("parquet");
    builder.withFileSizeInBytes(10).withRecordCount(1);
    return (spec.isPartitioned() ? builder.withPartitionPath("at_day=2026-01-01/id_bucket=1") : builder).build();
  }

  private void alterTable() {
    Table table = catalog.loadTable(session(), named("t"));
    Transaction write = table.newTransaction();
    write.newRowDelta().addRows(file(table.location(), "2.parquet", table.spec())).commit();
    write.updateStatistics().commit();
    write.commitTransaction();
    table.updateSchema().addColumn("extra", Types.IntegerType.get()).commit();
    table.updateSchema().updateColumnDoc("extra", "a note").renameColumn("name", "label").commit();
    Transaction change = table.newTransaction();
    UpdatePartitionSpec partitioning = change.updateSpec();
    partitioning.removeField("id_bucket").addField(Expressions.month("at")).commit();
    change.replaceSortOrder().desc("label").commit();
    change.updateProperties().set("write.format.default", "ORC").commit();
    change.commitTransaction();
    Table changed = catalog.loadTable(session(), named("t"));
    check(changed.schema().findField("label").fieldId() == 2, "the column keeps its id");
    check(changed.history().size() == 2, "it has two snapshots");
    Transaction replace =
        catalog
            .buildTable(session(), named("t"), SCHEMA)
            .withLocation(changed.location())
            .withProperties(map("format-version", "2"))
            .createOrReplaceTransaction();
    replace.newFastAppend().commit();
    replace.commitTransaction();
    check(catalog.loadTable(session(), named("t")).uuid().equals(changed.uuid()), "a replaced table keeps its uuid");
    Table loaded = catalog.loadTable(session(), named("t"));
    loaded.expireSnapshots().expireOlderThan(System.currentTimeMillis() + 1000).retainLast(1).cleanExpiredFiles(false).commit();
    catalog.renameTable(session(), named("t"), named("renamed"));
    check(missing(named("t")), "the old name is free");
  }

  private void views() {
    for (int version = 1; version <= 2; version++) {
      catalog
          .buildView(session(), named("v"))
          .withSchema(SCHEMA)
          .withQuery("trino", "SELECT id, name, at FROM assigned LIMIT " + version)
          .withDefaultNamespace(home)
          .withDefaultCatalog("lake")
          .withProperties(map("trino.run-as-owner", "ada"))
          .withLocation(null)
          .createOrReplace();
    }
    View view = catalog.loadView(session(), named("v"));
    check(view.sqlFor("trino").sql().endsWith("LIMIT 2"), "the view is replaced");
    view.updateProperties().set("comment", "a view").commit();
    check(catalog.listViews(session(), home).equals(List.of(named("v"))), "the view is listed");
    catalog.renameView(session(), named("v"), named("v2"));
    check(catalog.viewExists(session(), named("v2")), "the view has its new name");
    try {
      catalog.loadView(session(), named("v"));
      check(false, "the old name of the view is free");
    } catch (NoSuchViewException expected) {
      check(catalog.dropView(session(), named("v2")), "the view is dropped");
    }
  }

  private void dropTables() {
    Table table = catalog.loadTable(session(), named("assigned"));
    String metadata = ((HasTableOperations) table).operations().current().metadataFileLocation();
    check(catalog.dropTable(session(), named("assigned")), "unregistered");
    catalog.registerTable(session(), named("back"), metadata);
    check(catalog.loadTable(session(), named("back")).uuid().equals(table.uuid()), "registered again");
    for (TableIdentifier name : catalog.listTables(session(), home)) check(catalog.purgeTable(session(), name), "purged");
    catalog.dropNamespace(session(), Namespace.of(home.level(0), "deep er"));
    check(catalog.dropNamespace(session(), home), "the namespace is dropped");
  }

  /** information_schema asks for many tables at once, each in a session of its own. */
  private void manySessions() throws Exception {
    var threads = Executors.newFixedThreadPool(16);
    try {
      List<Callable<Integer>> calls = new ArrayList<>();
      for (int i = 0; i < 32; i++) calls.add(() -> catalog.listTables(session(), home).size());
      for (var answer : threads.invokeAll(calls)) check(answer.get() >= 1, "tables are listed");
    } finally {
      threads.shutdown();
    }
  }

  /** The user's name in an unsigned token, which Trino sends with `session=USER`. Nobody is to believe it. */
  private void claimedUser() {
    Base64.Encoder encoder = Base64.getUrlEncoder().withoutPadding();
    String header = encoder.encodeToString("{\"alg\":\"none\"}".getBytes(UTF_8));
    String claims = encoder.encodeToString("{\"sub\":\"admin\"}".getBytes(UTF_8));
    Map<String, String> claim = map("urn:ietf:params:oauth:token-type:jwt", header + "." + claims + ".");
    try {
      catalog.listNamespaces(new SessionContext("admin-cli", "admin", claim, map()), Namespace.empty());
    } catch (BadRequestException expected) {
      return;
    }
    check(false, "an unsigned token is refused");
  }

  private boolean missing(TableIdentifier name) {
    try {
      catalog.loadTable(session(), name);
      return false;
    } catch (NoSuchTableException expected) {
      return true;
    }
  }

  /** Unlike the maps of Map.of, it can be asked for null, which the client does. */
  private static Map<String, String> map(String... pairs) {
    Map<String, String> map = new HashMap<>();
    for (int i = 0; i < pairs.length; i += 2) map.put(pairs[i], pairs[i + 1]);
    return map;
  }

  private static void check(boolean holds, String what) {
    if (!holds) throw new IllegalStateException("not so: " + what);
  }

  private interface Step {
    void run() throws Exception;
  }

  private static void report(String name, Step step) {
    String outcome = "ok";
    try {
      step.run();
    } catch (Exception | Error problem) {
      outcome = String.valueOf(problem).replace('\n', ' ');
    }
    System.out.println(name + "\t" + outcome);
  }

  public static void main(String[] arguments) {
    Map<String, Map<String, String>> ways =
        Map.of(
            "token", map("token", System.getenv("CATALOG_TOKEN")),
            "credential", map("credential", System.getenv("CATALOG_CREDENTIAL")));
    for (String way : List.of("token", "credential")) {
      for (String warehouse : List.of("lake", "lake@main", "lake~main")) {
        String title = way + ", " + warehouse + ": ";
        TrinoSession trino = new TrinoSession(ways.get(way), warehouse, "trino_" + (way + warehouse).replaceAll("\\W", "_"));
        report(title + "namespaces", trino::namespaces);
        report(title + "tables are created", trino::createTables);
        report(title + "a table is changed", trino::alterTable);
        report(title + "views", trino::views);
        report(title + "many sessions", trino::manySessions);
        report(title + "a claimed user", trino::claimedUser);
        report(title + "tables are dropped", trino::dropTables);
      }
    }
    System.exit(0);
  }
}
