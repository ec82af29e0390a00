package pangolin;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.InputStream;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.iceberg.DataFiles;
import org.apache.iceberg.FileScanTask;
import org.apache.iceberg.Schema;
import org.apache.iceberg.Table;
import org.apache.iceberg.catalog.Namespace;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.io.CloseableIterable;
import org.apache.iceberg.io.FileIO;
import org.apache.iceberg.io.FileInfo;
import org.apache.iceberg.io.SupportsPrefixOperations;
import org.apache.iceberg.rest.RESTCatalog;
import org.apache.iceberg.types.Types;

/**
 * The Java client on a warehouse in a cloud, with the file IO that the environment names and nothing but the credentials that
 * the server vends. Prints a line for each step: its name and, when it failed, why.
 */
public final class CloudSession {
  private static final Schema SCHEMA = new Schema(Types.NestedField.required(1, "id", Types.LongType.get()));
  private static final Namespace HOME = Namespace.of("java");

  private static RESTCatalog connect(String token) {
    Map<String, String> properties = new HashMap<>();
    properties.put("uri", System.getenv("CATALOG_URI"));
    properties.put("warehouse", System.getenv("CATALOG_WAREHOUSE"));
    properties.put("token", System.getenv(token));
    properties.put("io-impl", System.getenv("CATALOG_FILE_IO"));
    properties.put("header.X-Iceberg-Access-Delegation", "vended-credentials");
    RESTCatalog catalog = new RESTCatalog();
    catalog.initialize("pangolin", properties);
    return catalog;
  }

  private static void write(FileIO io, String location, String text) throws Exception {
    try (OutputStream stream = io.newOutputFile(location).create()) {
      stream.write(text.getBytes(UTF_8));
    }
  }

  private static String read(FileIO io, String location) throws Exception {
    try (InputStream stream = io.newInputFile(location).newStream()) {
      return new String(stream.readAllBytes(), UTF_8);
    }
  }

  private static void mustFail(Callable<?> step) {
    try {
      step.call();
    } catch (Exception refused) {
      for (Throwable cause = refused; cause != null; cause = cause.getCause()) {
        if (String.valueOf(cause.getMessage()).matches("(?s).*(403|[Ff]orbidden).*")) return;
      }
      throw new IllegalStateException("refused in another way", refused);
    }
    throw new IllegalStateException("was not refused");
  }

  /** Writes a file and makes it a part of the table. */
  private static Table tableWithFile(RESTCatalog catalog, String name) throws Exception {
    Table table = catalog.createTable(TableIdentifier.of(HOME, name), SCHEMA);
    String file = table.location() + "/data/it's ü.parquet";
    write(table.io(), file, name);
    table
        .newAppend()
        .appendFile(DataFiles.builder(table.spec()).withPath(file).withFileSizeInBytes(9).withRecordCount(1).build())
        .commit();
    return table;
  }

  private static String onlyFile(Table table) throws Exception {
    try (CloseableIterable<FileScanTask> tasks = table.newScan().planFiles()) {
      return tasks.iterator().next().file().location();
    }
  }

  private static void step(String name, Callable<?> step) {
    String outcome = "ok";
    try {
      step.call();
    } catch (Throwable failure) {
      List<String> causes = new ArrayList<>();
      for (Throwable cause = failure; cause != null; cause = cause.getCause()) causes.add(String.valueOf(cause));
      outcome = String.join(" < ", causes).replaceAll("\\s+", " ");
    }
    System.out.println(name + "\t" + outcome);
  }

  private static void check(boolean holds, String what) {
    if (!holds) throw new IllegalStateException(what);
  }

  public static void main(String[] arguments) throws Exception {
    RESTCatalog catalog = connect("CATALOG_TOKEN");
    RESTCatalog readers = connect("CATALOG_READER_TOKEN");
    if (!catalog.namespaceExists(HOME)) catalog.createNamespace(HOME);
    String suffix = System.getenv("CATALOG_SUFFIX");
    TableIdentifier own = TableIdentifier.of(HOME, "own" + suffix);
    Table neighbour = tableWithFile(catalog, "own" + suffix + "2");
    String theirs = onlyFile(neighbour);

    step("writes and reads", () -> {
      tableWithFile(catalog, own.name());
      Table table = catalog.loadTable(own);
      check(read(table.io(), onlyFile(table)).equals(own.name()), "another content");
      return null;
    });
    step("lists what is below the table", () -> {
      Table table = catalog.loadTable(own);
      int count = 0;
      for (FileInfo file : ((SupportsPrefixOperations) table.io()).listPrefix(table.location() + "/")) count++;
      check(count >= 4, count + " files");
      return null;
    });
    step("is refused a neighbour's file", () -> {
      FileIO io = catalog.loadTable(own).io();
      mustFail(() -> read(io, theirs));
      mustFail(() -> {
        write(io, neighbour.location() + "/data/intruder", "x");
        return null;
      });
      mustFail(() -> {
        io.deleteFile(theirs);
        return null;
      });
      check(read(neighbour.io(), theirs).equals(own.name() + "2"), "changed");
      return null;
    });
    step("reads and does not write as a reader", () -> {
      Table table = readers.loadTable(own);
      String file = onlyFile(table);
      check(read(table.io(), file).equals(own.name()), "another content");
      mustFail(() -> {
        write(table.io(), table.location() + "/data/intruder", "x");
        return null;
      });
      mustFail(() -> {
        table.io().deleteFile(file);
        return null;
      });
      return null;
    });
    step("drops with all files", () -> {
      check(catalog.dropTable(own, true), "was not there");
      return null;
    });
  }
}
