// Prints what Jayway JsonPath makes of each expression on standard input (one a line) for the document in a file:
// one line of JSON each, {"value": ...} or {"error": "<exception's class>"}.
// Run: java -cp json-path.jar:json-smart.jar:accessors-smart.jar:asm.jar:slf4j-api.jar Oracle.java document.json

import com.jayway.jsonpath.Configuration;
import com.jayway.jsonpath.JsonPath;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.LinkedHashMap;
import java.util.Map;
import net.minidev.json.JSONValue;

public class Oracle {
    public static void main(String[] arguments) throws Exception {
        String document = new String(Files.readAllBytes(Paths.get(arguments[0])), StandardCharsets.UTF_8);
        BufferedReader expressions =
            new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        Configuration configuration = Configuration.defaultConfiguration();
        for (String line; (line = expressions.readLine()) != null; ) {
            Map<String, Object> outcome = new LinkedHashMap<>();
            try {
                // Parsed anew for each: no expression sees what another left behind.
                outcome.put("value", JsonPath.using(configuration).parse(document).read(line));
            } catch (Exception error) {
                outcome.put("error", error.getClass().getSimpleName());
            }
            out.println(JSONValue.toJSONString(outcome));
        }
    }
}
