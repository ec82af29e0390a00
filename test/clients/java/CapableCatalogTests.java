package pangolin;

import org.apache.iceberg.rest.RESTCompatibilityKitCatalogTests;

/** The kit's tests of abilities that the kit as shipped takes for absent and has no switch for. */
public class CapableCatalogTests extends RESTCompatibilityKitCatalogTests {
  @Override
  protected boolean supportsNestedNamespaces() {
    return true;
  }

  @Override
  protected boolean supportsNamesWithSlashes() {
    return true;
  }
}
