package voxflow.local;

import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;
import org.elasticsearch.plugins.PluginsUtils;

/** One Elasticsearch node in this process until SIGTERM; the argument is its home, with config/elasticsearch.yml. */
public final class LocalNode {
    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Path config = home.resolve("config");
        LogConfigurator.configureESLogging();
        Settings settings = Settings.builder()
            .loadFromPath(config.resolve("elasticsearch.yml"))
            .put(Environment.PATH_HOME_SETTING.getKey(), home)
            .build();
        Environment environment = new Environment(settings, config);
        PluginsLoader modules = PluginsLoader.createPluginsLoader(
            PluginsUtils.getModuleBundles(environment.modulesDir()), Set.of(), Map.of(), false);
        Node node = new Node(environment, modules);
        CountDownLatch stopped = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node, stopped)));
        node.start();
        stopped.await();
    }

    private static void close(Node node, CountDownLatch stopped) {
        try {
            node.close();
        } catch (Exception error) {
            error.printStackTrace();
        } finally {
            stopped.countDown();
        }
    }
}
