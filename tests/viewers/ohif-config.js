// OHIF 3.12 in front of a PACS with DICOMweb: what a site sets so that every result of the node is shown.
window.config = {
  routerBasename: '/',
  extensions: [],
  modes: [],
  // Our pictures are of modality OT, which OHIF otherwise covers with a bar for playing films.
  customizationService: [{ autoCineModalities: { $set: ['US'] } }],
  showStudyList: true,
  maxNumberOfWebWorkers: 2,
  showLoadingIndicator: true,
  strictZSpacingForVolumeViewport: true,
  defaultDataSourceName: 'pacs',
  dataSources: [
    {
      namespace: '@ohif/extension-default.dataSourcesModule.dicomweb',
      sourceName: 'pacs',
      configuration: {
        friendlyName: 'PACS',
        name: 'pacs',
        wadoUriRoot: '/dicom-web',
        qidoRoot: '/dicom-web',
        wadoRoot: '/dicom-web',
        qidoSupportsIncludeField: false,
        supportsFuzzyMatching: false,
        supportsWildcard: true,
        enableStudyLazyLoad: true,
        imageRendering: 'wadors',
        thumbnailRendering: 'wadors',
        omitQuotationForMultipartRequest: true,
        // These two deliver encapsulated PDFs; without them the PDF's viewport stays black.
        bulkDataURI: { enabled: true },
        singlepart: 'bulkdata,video',
      },
    },
  ],
};
