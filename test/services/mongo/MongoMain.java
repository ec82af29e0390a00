import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import java.net.InetSocketAddress;
import java.util.List;

/**
 * A stand-in for a MongoDB server, on loopback: a port and, for data that outlives it, a file. It says that it is newer than
 * it is, since drivers refuse its true version.
 */
public final class MongoMain {
  /** All that is answered is in the file, and nothing by halves, however the process ends. */
  private static final class Durable extends H2Backend {
    Durable(String file) {
      super(file);
    }

    @Override
    public synchronized Document handleMessage(MongoMessage message) {
      try {
        return super.handleMessage(message);
      } finally {
        commit();
      }
    }
  }

  public static void main(String[] arguments) throws Exception {
    MongoVersion claimed = new MongoVersion() {
      @Override
      public List<Integer> getVersionArray() {
        return List.of(6, 0, 0);
      }

      @Override
      public int getWireVersion() {
        return 17;
      }

      @Override
      public String toVersionString() {
        return "6.0.0";
      }
    };
    H2Backend backend = arguments.length > 1 ? new Durable(arguments[1]) : H2Backend.inMemory();
    MongoServer server = new MongoServer(backend.version(claimed));
    InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
    server.bind(address);
    System.out.println("listening on port " + server.getLocalAddress().getPort());
    // Whoever started this process may die without ending it: its end closes the standard input.
    while (System.in.read() >= 0) {}
    server.shutdownNow();
    System.exit(0);
  }
}
