package pangolin;

import java.nio.file.Path;
import org.apache.iceberg.catalog.TableIdentifier;
import org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The kit on a warehouse in a bucket, whose requests the server signs: the client has no keys. */
public class SigningCatalogTests extends RESTCompatibilityKitCatalogTests {
  @Override
  protected String baseTableLocation(TableIdentifier identifier) {
    return System.getProperty("pangolin.tables") + "/" + identifier.namespace() + "/" + identifier.name();
  }

  @Override
  @Disabled("it moves the metadata file away as a file of this machine")
  @Test
  public void testLoadTableWithMissingMetadataFile(@TempDir Path folder) {}
}
