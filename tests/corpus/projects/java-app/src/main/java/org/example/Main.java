package org.example;

import java.io.IOException;
import java.util.Properties;

/** Greets with the version that it was built with. */
public final class Main {
    private Main() {
    }

    public static void main(String[] args) throws IOException {
        Properties properties = new Properties();
        try (var in = Main.class.getResourceAsStream("/app.properties")) {
            properties.load(in);
        }
        System.out.printf("%s, %s (%s) as %s%n", properties.get("greeting"), String.join(" ", args),
                properties.get("version"), System.getProperty("user.name"));
    }
}
