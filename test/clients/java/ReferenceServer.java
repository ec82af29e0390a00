package pangolin;

import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.iceberg.CatalogUtil;
import org.apache.iceberg.PartitionSpec;
import org.apache.iceberg.TableMetadata;
import org.apache.iceberg.TableMetadataParser;
import org.apache.iceberg.catalog.Catalog;
import org.apache.iceberg.rest.RESTCatalogAdapter;
import org.apache.iceberg.rest.RESTCatalogServlet;
import org.apache.iceberg.view.ViewMetadataParser;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * The reference implementation's REST catalog on a loopback port of its own choice, which it prints. (The server that the
 * test fixtures bring binds every interface.) Arguments: warehouse folder, then `memory` or a JDBC URL. Ends with its stdin.
 * Beside the catalog, `POST /read/table` and `/read/view` say whether the reader of metadata files can open what is sent.
 */
public final class ReferenceServer {
  public static void main(String[] args) throws Exception {
    Map<String, String> properties = new HashMap<>();
    properties.put("warehouse", args[0]);
    if (args[1].equals("memory")) {
      properties.put("catalog-impl", "org.apache.iceberg.inmemory.InMemoryCatalog");
    } else {
      properties.put("catalog-impl", "org.apache.iceberg.jdbc.JdbcCatalog");
      properties.put("uri", args[1]);
      properties.put("jdbc.schema-version", "V1");
    }
    Catalog catalog = CatalogUtil.buildIcebergCatalog("reference", properties, new Configuration());
    ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
    context.addServlet(new ServletHolder(new RESTCatalogServlet(new RESTCatalogAdapter(catalog))), "/*");
    context.addServlet(new ServletHolder(new Reader()), "/read/*");
    Server server = new Server();
    ServerConnector connector = new ServerConnector(server);
    connector.setHost("127.0.0.1");
    connector.setPort(0);
    server.addConnector(connector);
    server.setHandler(context);
    server.start();
    System.out.println("listening on " + connector.getLocalPort());
    while (System.in.read() >= 0) {
      // Nothing is ever sent: the end of the stream is the end of the test process.
    }
    server.stop();
    System.exit(0);
  }

  /** 200, or 422 with the reason. */
  private static final class Reader extends HttpServlet {
    @Override
    protected void doPost(HttpServletRequest request, HttpServletResponse response) throws IOException {
      String json = new String(request.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      try {
        if (request.getPathInfo().equals("/view")) {
          ViewMetadataParser.fromJson(json).currentVersion();
        } else {
          openTable(TableMetadataParser.fromJson(json));
        }
      } catch (RuntimeException refused) {
        response.setStatus(422);
        response.setContentType("text/plain; charset=utf-8");
        response.getWriter().write(refused.getClass().getSimpleName() + ": " + refused.getMessage());
      }
    }

    /** What is only looked at when a table is used, and a change that changes nothing else. */
    private static void openTable(TableMetadata metadata) {
      metadata.specs().forEach(PartitionSpec::partitionType);
      metadata.schema().identifierFieldNames();
      TableMetadata.buildFrom(metadata).setProperties(Map.of("opened", "true")).build();
    }
  }
}
