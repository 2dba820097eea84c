// Begin: each part of the page that is there gets its script.

const explorer = document.getElementById("explorer");
if (explorer) new Explorer(explorer, data.cases);
if (data.map) new PhysicalMap(data.map);
