import java.nio.file.Path;
import java.util.List;

import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.Node;
import org.opensearch.transport.Netty4Plugin;

/** One node on loopback: java SearchServer.java FOLDER HTTP_PORT TRANSPORT_PORT */
public class SearchServer extends Node {
    SearchServer(Environment environment) {
        super(environment, List.of(Netty4Plugin.class), false);
    }

    public static void main(String[] words) throws Exception {
        Settings settings = Settings.builder()
            .put("path.home", words[0])
            .put("network.host", "127.0.0.1")
            .put("http.port", words[1])
            .put("transport.port", words[2])
            .put("http.type", "netty4")
            .put("transport.type", "netty4")
            .put("discovery.type", "single-node")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        new SearchServer(new Environment(settings, Path.of(words[0], "config"))).start();
        Thread.currentThread().join();
    }
}
